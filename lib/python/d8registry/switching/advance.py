# SPDX-License-Identifier: Apache-2.0
"""Walk a plan: enter a stage, go to the next, end the switch."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from d8registry.model.cluster import Node
from d8registry.model.condition import ConditionType
from d8registry.model.settings import Mode
from d8registry.model.state import Generation, Phase, Standing, State, Step, Switch
from d8registry.switching.address import build_address, build_steady_address
from d8registry.switching.asking import Questions, find_evidence
from d8registry.switching.fleet import is_lagging
from d8registry.switching.layouts import find_retained_hosts
from d8registry.switching.observed import Observed
from d8registry.switching.plans import Plan, Sources, Stage, find_plan, is_roll_back, is_rotation
from d8registry.switching.standing import read_standing


def advance(
    state: State, questions: Questions, observed: Observed, now: datetime
) -> tuple[State, ConditionType | None]:
    """Go to the next stage, or end the switch; the condition that this makes true, if any."""
    switch, plan = state.switch, find_plan(state)
    if switch is None or plan is None:
        return state, None
    index = plan.find(switch.step, switch.phase)
    stage = plan.stages[index]
    if index + 1 == len(plan.stages):
        return _finish(state, switch, observed, now), stage.condition
    following = plan.stages[index + 1]
    advanced = enter_stage(_leave(state, stage, questions, observed, now), following, questions, observed, now)
    return advanced, stage.condition if following.condition is not stage.condition else None


def begin(plan: Plan, stage: Stage, candidate: Generation, now: datetime) -> Switch:
    """Build a switch that begins with `stage`."""
    return Switch(
        plan=plan.name,
        candidate=candidate,
        step=stage.step,
        phase=stage.phase,
        started=now,
        since=now,
        progressed=now,
    )


def enter_stage(state: State, stage: Stage, questions: Questions, observed: Observed, now: datetime) -> State:
    """Enter a stage: what it remembers of the moment (standing of the old registry, canaries, pods) is taken here."""
    switch = state.switch
    if switch is None:
        return state
    standing = read_standing(questions.old, observed)
    entered = replace(
        switch,
        step=stage.step,
        phase=stage.phase,
        since=now,
        progressed=now,
        progress="",
        hold=None,
        old=switch.old if standing is Standing.UNKNOWN else standing,
        canaries=_choose_canaries(stage, observed, now) if stage.canaries is not None else (),
        restarts=tuple(pod.name for pod in observed.deckhouse_pods) if stage.phase is Phase.RESTART else (),
    )
    owns = state.owns_real_host or (stage.step is Step.ADD_SOURCE and state.current.mode is Mode.UNMANAGED)
    moved = replace(state, switch=entered, owns_real_host=owns)
    moved = replace(moved, address=build_address(moved, stage.address))
    # Always another token: a witness counts for the stage that asked for it, however alike their layouts are.
    return replace(moved, counter=state.counter + 1) if _is_new_for_nodes(state, moved, stage) else moved


def _leave(state: State, stage: Stage, questions: Questions, observed: Observed, now: datetime) -> State:
    switch = state.switch
    if switch is None:
        return state
    if (stage.step, stage.phase) == (Step.ADD_SOURCE, Phase.ALL) and state.current.mode is not switch.candidate.mode:
        # Each source stands alone under its base, so this is the order that stays (decision record 1).
        return replace(state, switch=replace(switch, in_place=now))
    evidence = find_evidence(questions.evidence, observed)
    if stage.phase is Phase.EVIDENCE and evidence is not None:
        kept = replace(switch, keep_host_ca=bool(evidence.real_host))
        from d8registry.switching.confirm_evidence import list_needing  # at rest no run pays for it

        return replace(state, switch=kept, leftovers=list_needing(state, questions, observed))
    return state


def _is_new_for_nodes(before: State, after: State, stage: Stage) -> bool:
    plan = find_plan(before)
    if plan is None or before.switch is None or after.switch is None:
        return True
    was = plan.stages[plan.find(before.switch.step, before.switch.phase)]
    if (was.nodes, was.canaries) != (stage.nodes, stage.canaries):
        return True
    return before.switch.old is not after.switch.old and Sources.BOTH in (stage.nodes, stage.canaries)


def _finish(state: State, switch: Switch, observed: Observed, now: datetime) -> State:
    if is_roll_back(switch):
        return replace(state, switch=None, refusal=switch.failure or state.refusal)
    if is_rotation(switch):
        return replace(state, switch=None)
    grace = observed.module_settings.unreachable_grace
    lagging = [f"Node {node.name}" for node in observed.nodes if is_lagging(node, now, grace)]
    accepted = [name for name in state.leftovers if not name.startswith("Node ")]
    is_same_login = state.current.endpoint.credentials == switch.candidate.endpoint.credentials
    is_same_source = state.current.endpoint == switch.candidate.endpoint and is_same_login
    return replace(
        state,
        current=switch.candidate,
        switch=None,
        address=build_steady_address(switch.candidate),
        owns_real_host=switch.candidate.mode is Mode.UNMANAGED,
        retained_hosts=find_retained_hosts(state),
        leftovers=() if is_same_source else (*lagging, *accepted),
    )


def _choose_canaries(stage: Stage, observed: Observed, now: datetime) -> tuple[str, ...]:
    """Choose a master, and where the order of sources is turned a node of each group too; Ready ones if there are."""
    grace = observed.module_settings.unreachable_grace
    counted = [node for node in observed.nodes if not is_lagging(node, now, grace)]
    chosen = {_pick([node for node in counted if node.is_master])}
    if stage.step is Step.PREFER_NEW:
        chosen |= {_pick([node for node in counted if node.group == group]) for group in {n.group for n in counted}}
    return tuple(sorted(chosen - {""}))


def _pick(nodes: Iterable[Node]) -> str:
    """Name one; a cluster without a master seen has none to wait for."""
    ordered = sorted(nodes, key=lambda node: (not node.ready, node.name))
    return ordered[0].name if ordered else ""
