# SPDX-License-Identifier: Apache-2.0
"""The table of restarts: what each kind of change may restart."""

from dataclasses import replace

import pytest

from box.judge.allowance import Allowance, Settings, compute_allowance

ALL = Allowance(deckhouse=2, workloads=1, containerd=1)
DIRECT = Settings(mode="Direct", registry="registry-a", path="deckhouse/ee", user="u", password="p", edition="ee")


def settings(**changes: str) -> Settings:
    return replace(DIRECT, **changes)


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        pytest.param(settings(mode="Unmanaged"), DIRECT, ALL, id="to Direct"),
        pytest.param(DIRECT, settings(mode="Unmanaged"), ALL, id="back"),
        pytest.param(DIRECT, settings(registry="registry-b", path="x"), Allowance(), id="host and path"),
        pytest.param(DIRECT, settings(password="q"), Allowance(deckhouse=2), id="password"),
        pytest.param(DIRECT, settings(user="v", registry="registry-b"), Allowance(deckhouse=2), id="user and host"),
        pytest.param(DIRECT, settings(edition="se"), Allowance(deckhouse=1, workloads=1), id="edition"),
        pytest.param(DIRECT, DIRECT, Allowance(), id="the same again"),
    ],
)
def test_a_change_may_restart_what_is_documented(before: Settings, after: Settings, allowed: Allowance) -> None:
    assert compute_allowance(before, after) == allowed
