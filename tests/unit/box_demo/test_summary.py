# SPDX-License-Identifier: Apache-2.0
"""What the demo says at its end: everything that is wrong fails it, and nothing else does."""

from dataclasses import replace
from typing import Any

import pytest

from box.demo.summary import Proof, Result, list_failures, render_figures, render_steps
from box.judge.facts import Facts
from box.judge.verdict import reach_verdict
from box.load.pulls import Outcome, Pull, Role
from box.watch.timing import StepSpan
from tests.unit.judge.facts import NODES, at, make_facts, make_load, make_pull


def make_result(pulls: list[Pull] | None = None, facts: Facts | None = None, **changes: Any) -> Result:
    made = make_load() if pulls is None else pulls
    result = Result(
        nodes=tuple(NODES),
        edited=at(0),
        ready=at(20),
        stopped="",
        spans=(
            StepSpan(name="CheckImages", started=at(0), ended=at(8)),
            StepSpan(name="CleanUp", started=at(8), ended=at(20)),
        ),
        pulls=tuple(made),
        verdict=reach_verdict(facts or make_facts(made)),
        proofs=(Proof(name="pods", detail="all"),),
    )
    return replace(result, **changes)


def test_a_switch_without_fault_has_no_failure_and_the_line_of_figures() -> None:
    result = make_result()
    assert list_failures(result) == ()
    assert render_figures(result) == "ready_s=20.0 failed_pulls=0 pulls=20 restarted=2 nodes=2"


def test_one_failed_pull_fails_the_demo_and_names_node_step_and_reason() -> None:
    failed = make_pull(outcome=Outcome.FAILED, reason="ErrImagePull: 401 Unauthorized", started=at(5), ended=at(6))
    result = make_result([*make_load(), failed])
    (reason,) = list_failures(result)
    assert "master-0" in reason
    assert "CheckImages" in reason
    assert "ErrImagePull: 401" in reason
    assert "failed_pulls=1" in render_figures(result)


def test_whatever_the_judge_finds_fails_the_demo() -> None:
    result = make_result(facts=make_facts(leaks=("operator.log",)))
    assert list_failures(result) == ("secret shown: a credential stands in operator.log",)


def test_a_gap_in_the_load_of_one_node_fails_the_demo() -> None:
    load = [one for one in make_load() if one.node == "master-0" or not 4 <= (one.started - at(0)).seconds <= 8]
    assert "the load left worker-0 without a new pull for 8.0 s (at most 3 s)" in list_failures(make_result(load))


@pytest.mark.parametrize("role", list(Role))
def test_a_node_without_pulls_of_one_role_fails_the_demo(role: Role) -> None:
    load = [one for one in make_load() if one.role is not role]
    reasons = list_failures(make_result(load))
    assert {f"no pull of role {role} counts on {node}" for node in NODES} <= set(reasons)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"ready": None, "stopped": "AuthFailed: 401"}, "did not end: AuthFailed: 401", id="never Ready"),
        pytest.param({"proofs": ()}, "no proof was made", id="no proofs"),
        pytest.param(
            {"proofs": (Proof(name="nodes", problems=("worker-0: still holds credentials",)),)},
            "proof failed: nodes: worker-0: still holds credentials",
            id="old credential on a node",
        ),
    ],
)
def test_each_other_fault_fails_the_demo(changes: dict[str, Any], words: str) -> None:
    (reason,) = list_failures(make_result(**changes))
    assert words in reason


def test_ready_after_three_minutes_is_too_late() -> None:
    assert any("not within 180 s" in one for one in list_failures(make_result(ready=at(181))))


def test_the_table_of_steps_shows_seconds_and_pulls_by_role() -> None:
    result = make_result()
    lines = render_steps(result.spans, result.pulls, at(20)).splitlines()
    assert lines[1].split() == ["CheckImages", "8.0", "8,", "0,", "2"]
    assert lines[2].split() == ["CleanUp", "12.0", "2,", "6,", "4"]
