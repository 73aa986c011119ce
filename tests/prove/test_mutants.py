# SPDX-License-Identifier: Apache-2.0
"""The mutants themselves: each applies to the code of now, and one of them is hunted down as an example."""

from __future__ import annotations

import pytest

from tests.prove.hunt import hunt
from tests.prove.mutants.all import MUTANTS
from tests.prove.mutants.blind import BLIND
from tests.prove.mutants.mutant import Mutant, MutantDoesNotApply, mutate

pytestmark = pytest.mark.search


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_applies_to_the_code_of_now(mutant: Mutant) -> None:
    compile(mutate(mutant), mutant.file, "exec")


def test_there_are_enough_of_them_and_none_twice() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40
    assert len(BLIND) == 10


def test_a_mutant_whose_place_is_gone_is_an_error() -> None:
    with pytest.raises(MutantDoesNotApply, match="0 times"):
        mutate(Mutant(name="x", bug="x", file="switching/plans.py", old="no such text", new=""))


def test_a_bug_is_found_by_an_invariant_and_told_with_its_shortest_way() -> None:
    mutant = next(item for item in BLIND if item.name == "masters-do-not-pull-ahead")
    catch = hunt(mutant)
    assert catch.failure == ""
    assert "has not pulled" in catch.violation
    assert "reconcile writes" in catch.violation.splitlines()[-1]
