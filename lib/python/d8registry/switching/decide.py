# SPDX-License-Identifier: Apache-2.0
"""Decide what the state is to be next. Pure: the same state and the same view give the same answer."""

from dataclasses import replace
from datetime import datetime

from d8registry.errors import InvalidSettings
from d8registry.model.cluster import Node
from d8registry.model.condition import ConditionType
from d8registry.model.settings import OnFailure
from d8registry.model.state import State
from d8registry.pki.material import Material
from d8registry.switching.advance import advance
from d8registry.switching.decision import Decision
from d8registry.switching.fleet import drop_caught_up, list_counted
from d8registry.switching.follow import follow_old_registry, follow_platform, follow_requests, follow_settings
from d8registry.switching.observed import Observed
from d8registry.switching.outcome import Outcome, Waiting
from d8registry.switching.plans import find_plan
from d8registry.switching.realise import Desired, realise
from d8registry.switching.rotating import follow_authority
from d8registry.switching.standing import read_standing
from d8registry.switching.travel import find_travel, follow_restored
from d8registry.switching.undo import build_refusal, can_lean_on_old, can_roll_back, roll_back, stand_still

_APPLYING = Waiting(reason="Applying", message="writing what this step changes")


def decide(
    state: State,
    desired: Desired,
    observed: Observed,
    material: Material | None,
    now: datetime,
    *,
    settled: bool,
    fresh_epoch: str,
    is_start: bool = False,
) -> Decision:
    """Decide the next state.

    `desired` is what `state` puts into effect; `settled`: all of it has been written, and until then nothing is taken
    for confirmed. `fresh_epoch` is random; `is_start`: the operator has just started. A changed state has the next
    revision.
    """
    followed = follow_requests(follow_platform(state, observed), observed, desired.questions, now)
    followed = follow_restored(followed, _list_counted(observed, now), fresh_epoch)
    if is_start and followed.switch is not None:
        # What nodes said to the operator before this one may be of another time: one fresh witness from each.
        followed = replace(followed, counter=followed.counter + 1)
    followed = follow_old_registry(followed, desired.questions, observed)
    decision = follow_settings(followed, observed, now)
    decision = replace(decision, state=follow_authority(decision.state, observed, now))
    if decision.state == state:
        decision = _stay(state, decision, desired, observed, material, now, settled=settled)
    if decision.state != state:
        decision = replace(decision, state=replace(decision.state, revision=state.revision + 1))
    return decision


def _stay(
    state: State,
    decision: Decision,
    desired: Desired,
    observed: Observed,
    material: Material | None,
    now: datetime,
    *,
    settled: bool,
) -> Decision:
    if state.switch is None:
        return replace(
            decision,
            state=drop_caught_up(state, observed.nodes, desired.node_plan),
            waiting=find_travel(state, _list_counted(observed, now)),
        )
    carried = _carry_on(state, desired, observed, material, now, settled=settled)
    invalid = observed.settings if isinstance(observed.settings, InvalidSettings) else None
    return replace(carried, invalid=invalid)


def _carry_on(
    state: State, desired: Desired, observed: Observed, material: Material | None, now: datetime, *, settled: bool
) -> Decision:
    """Confirm the present stage and go on as far as nothing new has to be written."""
    done: dict[ConditionType, str] = {}
    while state.switch is not None:
        outcome = _look(state, desired, observed, now, settled=settled)
        if isinstance(outcome, Waiting):
            return _wait(Decision(state=state, waiting=outcome, done=done), desired, observed, now)
        before = state
        state, finished = advance(state, desired.questions, observed, now)
        if finished is not None:
            done[finished] = outcome.message
        after = realise(state, observed, material)
        settled, desired = _has_same_effects(before, state, desired, after), after
    return Decision(state=state, done=done)


def _look(state: State, desired: Desired, observed: Observed, now: datetime, *, settled: bool) -> Outcome:
    switch = state.switch
    if state.is_paused:
        message = "paused by annotation registry.deckhouse.io/pause of ModuleConfig registry; remove it to go on"
        return Waiting(reason="Paused", message=message)
    if not settled or switch is None:
        return _APPLYING
    travel = find_travel(state, _list_counted(observed, now))
    if travel is not None:
        return travel
    if switch.hold is not None and switch.hold.is_turned:
        return Waiting(reason=switch.hold.reason, message=switch.hold.message, progress=switch.progress)
    from d8registry.switching.confirm import Moment, confirm  # at rest no run pays for it

    return confirm(Moment(state=state, switch=switch, observed=observed, desired=desired, now=now))


def _has_same_effects(before: State, after: State, was: Desired, becomes: Desired) -> bool:
    return after.switch is not None and was == becomes and before.counter == after.counter


def _wait(decision: Decision, desired: Desired, observed: Observed, now: datetime) -> Decision:
    """Note progress; past the deadline go back while that harms nothing, else hold."""
    state, waiting = decision.state, decision.waiting
    switch, plan = state.switch, find_plan(state)
    if switch is None or plan is None or waiting is None or state.is_paused:
        return decision
    if waiting.progress != switch.progress and waiting.reason != "Applying" and not waiting.is_failure:
        hold = switch.hold if switch.hold is not None and switch.hold.is_turned else None
        noted = replace(switch, progress=waiting.progress, progressed=now, hold=hold)
        return replace(decision, state=replace(state, switch=noted))
    settings = observed.module_settings
    is_late = not waiting.is_timed and (now - switch.progressed).total_seconds() > settings.step_deadline
    if not is_late and not waiting.is_failure:
        return decision
    message = (
        waiting.message if waiting.is_failure else f"no progress for {settings.step_deadline} s: {waiting.message}"
    )
    if settings.on_failure is OnFailure.ROLLBACK and can_roll_back(state):
        refusal = build_refusal(state, waiting.reason, message)
        return Decision(state=roll_back(state, refusal, now))
    can_lean = can_lean_on_old(state, read_standing(desired.questions.old, observed))
    held = stand_still(state, waiting.reason, message, can_lean_on_old=can_lean, now=now)
    return replace(decision, state=held)


def _list_counted(observed: Observed, now: datetime) -> tuple[Node, ...]:
    return list_counted(observed.nodes, now, observed.module_settings.unreachable_grace)
