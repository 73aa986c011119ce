# SPDX-License-Identifier: Apache-2.0
"""Walk a plan: enter a stage, go to the next, end the switch or drop it."""

from dataclasses import replace
from datetime import datetime

from d8registry.model.condition import ConditionType
from d8registry.model.settings import Mode
from d8registry.model.state import Generation, Phase, Refusal, State, Step, Switch
from d8registry.switching.fleet import is_lagging
from d8registry.switching.layouts import find_retained_host
from d8registry.switching.observed import Observed
from d8registry.switching.plans import PLANS, Plan, Stage


def advance(state: State, observed: Observed, now: datetime) -> tuple[State, ConditionType | None]:
    """Go to the next stage, or end the switch; the condition that this makes true, if any."""
    switch = state.switch
    if switch is None:
        return state, None
    plan = PLANS[switch.plan]
    index = plan.find(switch.step, switch.phase)
    stage = plan.stages[index]
    if index + 1 == len(plan.stages):
        return _finish(state, switch), stage.condition
    following = plan.stages[index + 1]
    entered = replace(
        enter(following, plan, switch.candidate, switch.started, now),
        in_place=now if (stage.step, stage.phase) == (Step.ADD_SOURCE, Phase.ALL) else switch.in_place,
        keep_host_ca=switch.keep_host_ca,
    )
    if following.canaries is not None:
        entered = replace(entered, canaries=_choose_canaries(observed, now))
    if (stage.step, stage.phase) == (Step.FINALISE_NODES, Phase.EVIDENCE) and observed.evidence is not None:
        entered = replace(entered, keep_host_ca=bool(observed.evidence.real_host))
    is_new_for_nodes = (stage.nodes, stage.canaries) != (following.nodes, following.canaries)
    owns = state.owns_real_host or (following.step is Step.ADD_SOURCE and state.current.mode is Mode.UNMANAGED)
    advanced = replace(
        state, switch=entered, owns_real_host=owns, counter=state.counter + (1 if is_new_for_nodes else 0)
    )
    return advanced, stage.condition if following.condition is not stage.condition else None


def enter(stage: Stage, plan: Plan, candidate: Generation, started: datetime, now: datetime) -> Switch:
    """Build the switch as it is at the beginning of `stage`."""
    return Switch(
        plan=plan.name,
        candidate=candidate,
        step=stage.step,
        phase=stage.phase,
        started=started,
        since=now,
        progressed=now,
    )


def _finish(state: State, switch: Switch) -> State:
    return replace(
        state,
        current=switch.candidate,
        switch=None,
        owns_real_host=switch.candidate.mode is Mode.UNMANAGED,
        retained_host=find_retained_host(state),
    )


def _choose_canaries(observed: Observed, now: datetime) -> tuple[str, ...]:
    """Choose one master, Ready if there is one; a cluster without a master seen has none to wait for."""
    grace = observed.module_settings.unreachable_grace
    masters = [node for node in observed.nodes if node.is_master and not is_lagging(node, now, grace)]
    ready = [node for node in masters if node.ready] or masters
    return tuple(node.name for node in ready[:1])


def roll_back(state: State, reason: str, message: str) -> State:
    """Drop the candidate: what the last good generation needs is what the steady stage puts into effect."""
    switch = state.switch
    if switch is None:
        return state
    refusal = Refusal(fingerprint=switch.candidate.fingerprint, step=switch.step, reason=reason, message=message)
    return replace(state, switch=None, refusal=refusal, counter=state.counter + 1)
