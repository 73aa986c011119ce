# SPDX-License-Identifier: Apache-2.0
"""Excuses: what the scenario names is no violation, is still counted as excused, and covers nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from box.judge.facts import Excuse
from box.judge.verdict import reach_verdict
from box.load.pulls import Outcome, Role
from tests.unit.judge.facts import at, make_facts, make_load, make_pull

FAILED = make_pull(outcome=Outcome.FAILED, reason="401", started=at(5), ended=at(6))
EXCUSE = Excuse(why="registry-a was dead before", started=at(4), ended=at(7), base=FAILED.base)


def judge(**changes: Any) -> tuple[int, int]:
    facts = make_facts([*make_load(), FAILED], excuses=(replace(EXCUSE, **changes),))
    verdict = reach_verdict(facts)
    return len(verdict.violations), len(verdict.excused)


def test_an_excused_failure_is_no_violation_and_is_told_apart_from_a_good_pull() -> None:
    assert judge() == (0, 1)
    verdict = reach_verdict(make_facts([*make_load(), FAILED], excuses=(EXCUSE,)))
    assert "failed_pulls=0 excused=1" in verdict.describe()
    assert FAILED not in verdict.counted


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"started": at(6.5)}, id="began later"),
        pytest.param({"ended": at(4.5)}, id="was over before the pull began"),
        pytest.param({"role": Role.NEW}, id="another role"),
        pytest.param({"base": "registry.d8-system.svc:5001/system/deckhouse"}, id="another base"),
        pytest.param({"namespace": "d8-operator-trivy"}, id="another namespace"),
        pytest.param({"registry": "registry-a"}, id="a tenant's"),
    ],
)
def test_an_excuse_for_something_else_excuses_nothing(changes: dict[str, Any]) -> None:
    assert judge(**changes) == (1, 0)


def test_an_open_excuse_lasts_to_the_end() -> None:
    assert judge(ended=None) == (0, 1)
