# SPDX-License-Identifier: Apache-2.0
"""What an onlooker reads from Secret registry-state: phase of the load, end, hold, what is waited for."""

import base64
from datetime import timedelta
from typing import Any

import pytest
import yaml

from box.watch.timing import advance_spans, close_spans
from box.watch.view import Phase, choose_phase, describe_hold, describe_wait, is_finished, read_view
from tests.unit.judge.facts import START, at


def make_secret(mode: str, step: str, *conditions: tuple[str, str, str, str]) -> dict[str, Any]:
    listed = [dict(zip(("type", "status", "reason", "message"), one, strict=True)) for one in conditions]
    texts = {"mode": mode, "state": yaml.dump({"step": step}), "conditions": yaml.dump(listed)}
    return {"data": {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}}


@pytest.mark.parametrize(
    ("mode", "step", "transition", "phase"),
    [
        pytest.param("Unmanaged", "", "", Phase.OLD, id="before the switch"),
        pytest.param("Unmanaged", "CheckImages", "False", Phase.OLD, id="images checked"),
        pytest.param("Unmanaged", "AddSource", "False", Phase.OLD, id="sources being added"),
        pytest.param("Unmanaged", "StartProxy", "True", Phase.BOTH, id="both sources proven"),
        pytest.param("Unmanaged", "PreferNew", "True", Phase.BOTH, id="new preferred"),
        pytest.param("Unmanaged", "FinaliseNodes", "True", Phase.NEW, id="old one goes"),
        pytest.param("Unmanaged", "CleanUp", "True", Phase.NEW, id="clean up"),
        pytest.param("Direct", "", "True", Phase.NEW, id="ended"),
    ],
)
def test_the_base_follows_step_and_condition(mode: str, step: str, transition: str, phase: Phase) -> None:
    condition = ("TransitionContainerdConfigReady", transition or "Unknown", "x", "y")
    assert choose_phase(read_view(make_secret(mode, step, condition))) is phase


def test_without_the_secret_only_the_old_base_is_named() -> None:
    assert choose_phase(read_view(None)) is Phase.OLD


def test_ready_in_the_old_mode_is_not_the_end() -> None:
    ready = ("Ready", "True", "UpToDate", "mode Unmanaged")
    assert not is_finished(read_view(make_secret("Unmanaged", "", ready)), "Direct")
    assert is_finished(read_view(make_secret("Direct", "", ready)), "Direct")


def test_ready_within_a_mode_is_the_end_only_for_newer_settings() -> None:
    secret = make_secret("Direct", "", ("Ready", "True", "UpToDate", "mode Direct"))
    conditions = yaml.safe_load(base64.b64decode(secret["data"]["conditions"]))
    conditions[0]["observedGeneration"] = 2
    secret["data"]["conditions"] = base64.b64encode(yaml.dump(conditions).encode()).decode()
    assert not is_finished(read_view(secret), "Direct", above=2)
    assert is_finished(read_view(secret), "Direct", above=1)


def test_a_refused_candidate_is_a_hold_and_a_running_step_is_none() -> None:
    refused = ("Ready", "False", "Unauthenticated", "given up at step CheckImages: 401")
    assert describe_hold(read_view(make_secret("Unmanaged", "", refused))) == (
        "Unauthenticated: given up at step CheckImages: 401"
    )
    assert describe_hold(read_view(make_secret("Unmanaged", "CheckImages", refused))) == ""


def test_what_is_waited_for_is_the_condition_of_the_present_step() -> None:
    secret = make_secret(
        "Unmanaged",
        "StartProxy",
        ("TransitionContainerdConfigReady", "True", "Confirmed", "3 nodes"),
        ("InClusterProxyReady", "False", "Waiting", "pod x is not Ready"),
        ("FinalContainerdConfigReady", "False", "Pending", "earlier steps come first"),
        ("Ready", "False", "Switching", "long"),
    )
    assert describe_wait(read_view(secret)) == "InClusterProxyReady: pod x is not Ready"


def test_content_that_is_no_base64_is_named_by_its_key() -> None:
    with pytest.raises(ValueError, match="key mode"):
        read_view({"data": {"mode": "***"}})


def test_steps_are_timed_from_reading_to_reading() -> None:
    spans = advance_spans((), "", at(0))
    for second, step in ((1, ""), (2, "CheckImages"), (3, "CheckImages"), (5, "AddSource"), (9, ""), (10, "")):
        spans = advance_spans(spans, step, at(second))
    assert [(one.name, one.measure(START)) for one in spans] == [
        ("(before the first step)", 2.0),
        ("CheckImages", 3.0),
        ("AddSource", 4.0),
    ]


def test_a_step_that_runs_at_the_end_is_closed_then() -> None:
    spans = close_spans(advance_spans((), "AddSource", at(0)), at(4))
    assert spans[0].ended == START + timedelta(seconds=4)


def test_a_switch_that_was_given_up_leaves_the_old_base() -> None:
    condition = ("TransitionContainerdConfigReady", "True", "x", "y")
    assert choose_phase(read_view(make_secret("Unmanaged", "", condition))) is Phase.OLD
