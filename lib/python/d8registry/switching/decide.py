# SPDX-License-Identifier: Apache-2.0
"""Decide what the state is to be next. Pure: the same state and the same view give the same answer."""

from dataclasses import replace
from datetime import datetime

from d8registry.errors import InvalidSettings
from d8registry.model.condition import ConditionType
from d8registry.model.settings import OnFailure
from d8registry.model.state import State
from d8registry.pki.material import Material
from d8registry.switching.advance import advance, roll_back
from d8registry.switching.confirm import Moment, confirm
from d8registry.switching.decision import Decision
from d8registry.switching.follow import follow_platform, follow_requests, follow_settings
from d8registry.switching.observed import Observed
from d8registry.switching.outcome import Waiting
from d8registry.switching.plans import PLANS
from d8registry.switching.realise import Desired, realise


def decide(
    state: State, desired: Desired, observed: Observed, material: Material | None, now: datetime, *, settled: bool
) -> Decision:
    """Decide the next state.

    `desired` is what `state` puts into effect; `settled`: all of it has been written, and until then nothing is taken
    for confirmed. A changed state has the next revision.
    """
    decision = follow_settings(follow_requests(follow_platform(state, observed), observed), observed, now)
    if decision.state == state and state.switch is not None:
        decision = _carry_on(state, desired, observed, material, now, settled=settled)
        if isinstance(observed.settings, InvalidSettings):
            decision = replace(decision, invalid=observed.settings)
    if decision.state != state:
        decision = replace(decision, state=replace(decision.state, revision=state.revision + 1))
    return decision


def _carry_on(
    state: State, desired: Desired, observed: Observed, material: Material | None, now: datetime, *, settled: bool
) -> Decision:
    """Confirm the present stage and go on as far as nothing new has to be written."""
    done: dict[ConditionType, str] = {}
    while state.switch is not None:
        if not settled:
            waiting = Waiting(reason="Applying", message="writing what this step changes")
            return _check_deadline(Decision(state=state, waiting=waiting, done=done), observed, now)
        outcome = confirm(Moment(state=state, switch=state.switch, observed=observed, desired=desired, now=now))
        if isinstance(outcome, Waiting):
            return _check_deadline(Decision(state=state, waiting=outcome, done=done), observed, now)
        before = state
        state, finished = advance(state, observed, now)
        if finished is not None:
            done[finished] = outcome.message
        after = realise(state, observed, material)
        settled, desired = _has_same_effects(before, state, desired, after), after
    return Decision(state=state, done=done)


def _has_same_effects(before: State, after: State, was: Desired, becomes: Desired) -> bool:
    return after.switch is not None and was == becomes and before.counter == after.counter


def _check_deadline(decision: Decision, observed: Observed, now: datetime) -> Decision:
    """Note progress; past the deadline roll back while that is possible by itself."""
    switch, waiting = decision.state.switch, decision.waiting
    if switch is None or waiting is None:
        return decision
    if waiting.progress != switch.progress and waiting.reason != "Applying":
        noted = replace(switch, progress=waiting.progress, progressed=now)
        return replace(decision, state=replace(decision.state, switch=noted))
    settings = observed.module_settings
    late = (now - switch.progressed).total_seconds() > settings.step_deadline
    if late and settings.on_failure is OnFailure.ROLLBACK and PLANS[switch.plan].is_before_no_return(switch.step):
        message = f"no progress for {settings.step_deadline} s: {waiting.message}"
        return Decision(state=roll_back(decision.state, waiting.reason, message))
    return decision
