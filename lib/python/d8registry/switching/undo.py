# SPDX-License-Identifier: Apache-2.0
"""Ways out of a switch: roll it back, turn it round, give up the old registry, stand still."""

from dataclasses import replace
from datetime import datetime

from d8registry.model.endpoint import Endpoint
from d8registry.model.settings import Mode
from d8registry.model.state import Hold, Phase, Refusal, Standing, State, Step
from d8registry.switching.advance import begin, enter_stage
from d8registry.switching.asking import Questions
from d8registry.switching.layouts import find_retained_hosts
from d8registry.switching.observed import Observed
from d8registry.switching.plans import ROLL_BACKS, TRANSITIONS, Proxy, find_plan, is_roll_back

_QUIET = (Standing.SILENT, Standing.REFUSED)


def can_abort(state: State) -> bool:
    """Tell whether neither address nor order of sources was touched, so that a rollback is the way back."""
    switch, plan = state.switch, find_plan(state)
    if switch is None or plan is None or is_roll_back(switch) or switch.is_return or switch.is_mending:
        return False
    return plan.is_before_no_return(switch.step, switch.phase)


def can_roll_back(state: State) -> bool:
    """Tell whether to go back unasked: not where nodes carry the new source and the old registry is dead."""
    switch, plan = state.switch, find_plan(state)
    if switch is None or plan is None or not can_abort(state):
        return False
    return switch.old not in _QUIET or not plan.has_new_source(switch.step, switch.phase)


def roll_back(state: State, failure: Refusal | None, now: datetime) -> State:
    """Go back to the old source: at once where no node was given the new one, else by a plan that nodes confirm."""
    switch, plan = state.switch, find_plan(state)
    if switch is None or plan is None:
        return state
    if not plan.has_new_source(switch.step, switch.phase):
        return replace(state, switch=None, refusal=failure or state.refusal, counter=state.counter + 1)
    way = ROLL_BACKS[state.current.mode]
    back = replace(begin(way, way.stages[0], switch.candidate, now), old=switch.old, failure=failure)
    return replace(state, switch=back, counter=state.counter + 1)


def build_refusal(state: State, reason: str, message: str) -> Refusal | None:
    """Build what is remembered of a candidate that is given up."""
    switch = state.switch
    if switch is None:
        return None
    return Refusal(fingerprint=switch.candidate.fingerprint, step=switch.step, reason=reason, message=message)


def can_turn_round(state: State) -> bool:
    """Tell whether every reachable node still has both sources, past the point of no automatic return."""
    switch, plan = state.switch, find_plan(state)
    return (
        switch is not None
        and plan is not None
        and not is_roll_back(switch)
        and plan.keeps_both(switch.step, switch.phase)
        and not (plan.is_before_no_return(switch.step, switch.phase) and not switch.is_return)
    )


def turn_round(state: State, observed: Observed, refusal: Refusal | None, now: datetime) -> State:
    """Switch from the candidate back to the generation before it, by the steps of that transition.

    Both sources are on the nodes and in the platform's text, and the proxy serves both users: the steps that lead there
    have nothing to do, and undoing any of that would take away what pods pull by.
    """
    switch = state.switch
    if switch is None:
        return state
    number = state.generations + 1
    back = replace(state.current, number=number)
    plan = TRANSITIONS[(switch.candidate.mode, back.mode)]
    stage = next(stage for stage in plan.stages if stage.proxy in (Proxy.ADDED, Proxy.MOVED))
    # What made the switch hold may be the new source: then the one that it goes back to stands in front at once.
    old = Standing.ANSWERS if switch.hold is None else Standing.SILENT
    begun = replace(begin(plan, stage, back, now), is_return=True, old=old)
    turned = replace(
        state,
        current=switch.candidate,
        switch=begun,
        refusal=refusal or state.refusal,
        generations=number,
        counter=state.counter + 1,
        retained_hosts=_keep_real_host(state),
        requests=tuple(sorted({**dict(state.requests), **observed.requests}.items())),
    )
    return enter_stage(turned, stage, Questions(), observed, now)


def give_up_old(state: State) -> State:
    """Take the candidate for the present generation: the old registry does not answer, and nodes have the new one.

    Secret deckhouse-registry stays as it is; the switch that follows from here changes it.
    """
    switch = state.switch
    if switch is None:
        return state
    return replace(
        state,
        current=switch.candidate,
        switch=None,
        counter=state.counter + 1,
        owns_real_host=False,
        retained_hosts=_keep_real_host(state),
    )


def stand_still(state: State, reason: str, message: str, *, can_lean_on_old: bool, now: datetime) -> State:
    """Hold; where the order of two sources was being turned, put an answering old one in front again."""
    switch = state.switch
    if switch is None or (switch.hold is not None and (switch.hold.is_turned or not can_lean_on_old)):
        return state
    hold = Hold(reason=reason, message=message, since=now, is_turned=can_lean_on_old)
    held = replace(switch, hold=hold, old=Standing.ANSWERS if can_lean_on_old else switch.old, canaries=())
    if not can_lean_on_old:
        return replace(state, switch=replace(held, canaries=switch.canaries))
    return replace(state, switch=held, counter=state.counter + 1)


def can_lean_on_old(state: State, standing: Standing) -> bool:
    """Tell whether there is an order of sources to turn back, and an old registry that answers."""
    switch, plan = state.switch, find_plan(state)
    if switch is None or plan is None or state.current.mode is not Mode.DIRECT:
        return False
    is_turning = switch.step is Step.PREFER_NEW or (switch.step, switch.phase) == (Step.FINALISE_NODES, Phase.EVIDENCE)
    is_beside = switch.candidate.mode is Mode.DIRECT
    return is_turning and is_beside and not is_roll_back(switch) and standing is Standing.ANSWERS


def _keep_real_host(state: State) -> tuple[Endpoint, ...]:
    if state.switch is None or state.current.mode is not Mode.UNMANAGED:
        return state.retained_hosts
    return find_retained_hosts(replace(state, switch=replace(state.switch, keep_host_ca=True)))
