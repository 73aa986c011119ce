# SPDX-License-Identifier: Apache-2.0
"""What every plan keeps to, whatever changes: the invariants that can be read off the table itself."""

from itertools import combinations, pairwise

import pytest
from d8registry.model.state import Change, Phase, Step
from d8registry.switching.plans import ROLL_BACKS, TRANSITIONS, Address, Plan, Proxy, Sources, Stage

# Another login, or another edition, is another source.
CHANGES = [
    frozenset(found)
    for size in range(len(Change) + 1)
    for found in combinations(Change, size)
    if Change.SOURCE in found or not {Change.CREDENTIALS, Change.EDITION}.intersection(found)
]
NARROWED = [
    pytest.param(plan.narrow(changes), id=f"{plan.name} {'+'.join(sorted(changes)) or 'nothing'}")
    for plan in TRANSITIONS.values()
    for changes in CHANGES
]
HAVE_NEW = (Sources.BOTH, Sources.PREFERRED, Sources.NEW)


def position(plan: Plan, step: Step, phase: Phase = Phase.ALL) -> int:
    """Index of a stage, or behind the last one where this plan has no such stage."""
    found = [i for i, stage in enumerate(plan.stages) if (stage.step, stage.phase) == (step, phase)]
    return found[0] if found else len(plan.stages)


@pytest.mark.parametrize("plan", NARROWED)
def test_a_plan_begins_with_the_images_and_the_way_back_open(plan: Plan) -> None:
    first = plan.stages[0]
    assert first.step is Step.CHECK_IMAGES
    assert plan.is_before_no_return(first.step, first.phase)
    assert not plan.has_new_source(first.step, first.phase)


@pytest.mark.parametrize("plan", NARROWED)
def test_the_platforms_secret_is_touched_only_after_every_node_was_asked_for_the_new_source(plan: Plan) -> None:
    for index, stage in enumerate(plan.stages):
        if stage.address is not Address.KEEP and any(one.step is Step.ADD_SOURCE for one in plan.stages):
            assert index > position(plan, Step.ADD_SOURCE, Phase.TEXT)


@pytest.mark.parametrize("plan", NARROWED)
def test_the_platforms_text_never_names_a_source_before_the_nodes_have_confirmed_it(plan: Plan) -> None:
    for before, stage in pairwise(plan.stages):
        if stage.bashible in HAVE_NEW and before.bashible not in HAVE_NEW:
            assert before.nodes in HAVE_NEW
        if stage.bashible is Sources.NEW:
            assert stage.nodes is Sources.NEW


@pytest.mark.parametrize("plan", NARROWED)
def test_an_old_source_goes_on_evidence_only(plan: Plan) -> None:
    alone = [i for i, stage in enumerate(plan.stages) if stage.nodes is Sources.NEW]
    if alone and any(stage.nodes in HAVE_NEW for stage in plan.stages[: alone[0]]):
        assert plan.stages[alone[0] - 1].phase is Phase.EVIDENCE


@pytest.mark.parametrize("plan", NARROWED)
def test_the_old_entry_leaves_the_secret_after_the_old_source_and_the_old_user_the_proxy_after_that(plan: Plan) -> None:
    for stage in plan.stages:
        if stage.address is Address.NEW:
            assert stage.nodes is Sources.NEW
            assert stage.proxy in (Proxy.ADDED, Proxy.MOVED)


@pytest.mark.parametrize("plan", NARROWED)
def test_canaries_get_what_all_get_next(plan: Plan) -> None:
    for stage, after in pairwise(plan.stages):
        if stage.canaries is not None:
            assert after.nodes is stage.canaries


@pytest.mark.parametrize("plan", NARROWED)
def test_no_stage_stands_twice_in_a_plan(plan: Plan) -> None:
    names = [(stage.step, stage.phase) for stage in plan.stages]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("plan", [pytest.param(plan, id=plan.name) for plan in ROLL_BACKS.values()])
def test_a_rollback_leads_to_the_old_source_alone_and_has_no_way_back_of_its_own(plan: Plan) -> None:
    last: Stage = plan.stages[-1]
    assert (last.nodes, last.bashible, last.address) == (Sources.OLD, Sources.OLD, Address.KEEP)
    assert not plan.is_before_no_return(plan.stages[0].step, plan.stages[0].phase)
