# SPDX-License-Identifier: Apache-2.0
"""When a timer is due, by systemd.timer(5); factors: base, what already happened, the timer's own start."""

import pytest

from box.platform.systemd.timer import (
    TimerBase,
    TimerSpec,
    TimerTimes,
    compute_accuracy_share,
    find_next_elapse,
)


def build_spec(*spans: tuple[TimerBase, float]) -> TimerSpec:
    return TimerSpec(unit="a.service", spans=spans, random_delay=0, accuracy=0)


def build_times(*, active: float = 0, inactive: float = 0, triggered: float = 0) -> TimerTimes:
    return TimerTimes(boot=100, timer_active=110, unit_active=active, unit_inactive=inactive, last_trigger=triggered)


@pytest.mark.parametrize(
    ("spec", "times", "now", "initial", "due"),
    [
        pytest.param(build_spec((TimerBase.BOOT, 30)), build_times(), 110, True, 130, id="after boot"),
        pytest.param(build_spec((TimerBase.ACTIVE, 5)), build_times(), 110, True, 115, id="after its own start"),
        pytest.param(build_spec((TimerBase.BOOT, 5)), build_times(), 110, True, 110, id="missed at its start"),
        pytest.param(build_spec((TimerBase.BOOT, 5)), build_times(), 120, False, None, id="once only"),
        pytest.param(build_spec((TimerBase.UNIT_ACTIVE, 20)), build_times(), 110, True, None, id="unit never ran"),
        pytest.param(
            build_spec((TimerBase.UNIT_ACTIVE, 20)), build_times(active=115), 117, False, 135, id="after its start"
        ),
        pytest.param(
            build_spec((TimerBase.UNIT_INACTIVE, 20)), build_times(inactive=117), 117, False, 137, id="after its end"
        ),
        pytest.param(
            build_spec((TimerBase.UNIT_ACTIVE, 5)), build_times(active=115), 140, False, 140, id="overdue is now"
        ),
        pytest.param(
            build_spec((TimerBase.BOOT, 500), (TimerBase.UNIT_ACTIVE, 20)),
            build_times(active=115, triggered=116),
            117,
            False,
            136,
            id="the earliest of several",
        ),
    ],
)
def test_a_timer_is_due(spec: TimerSpec, times: TimerTimes, now: float, initial: bool, due: float | None) -> None:
    assert find_next_elapse(spec, times, now, initial=initial) == due


def test_the_place_in_the_accuracy_window_is_stable_and_differs_between_hosts() -> None:
    shares = {host: compute_accuracy_share(host, "a.timer") for host in ("n0", "n1", "n2")}
    assert compute_accuracy_share("n0", "a.timer") == shares["n0"]
    assert len(set(shares.values())) == 3
    assert all(0 <= share < 1 for share in shares.values())
