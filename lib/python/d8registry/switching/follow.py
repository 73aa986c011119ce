# SPDX-License-Identifier: Apache-2.0
"""Follow what others ask for: the platform, the request annotations, the settings."""

from dataclasses import replace
from datetime import datetime

from d8registry.errors import InvalidSettings
from d8registry.kube.platform import is_fixed
from d8registry.model.settings import Mode, Settings
from d8registry.model.state import Generation, State
from d8registry.switching.advance import enter, roll_back
from d8registry.switching.decision import Decision
from d8registry.switching.guards import find_transition_guards
from d8registry.switching.observed import Observed
from d8registry.switching.plans import PLANS, TRANSITIONS


def follow_platform(state: State, observed: Observed) -> State:
    """Take over what the platform pulls with, while it is the platform's to change; a switch then starts anew."""
    seen = observed.platform
    switch = state.switch
    is_too_late = switch is not None and not PLANS[switch.plan].is_before_no_return(switch.step)
    if is_too_late or state.current.mode is not Mode.UNMANAGED:
        return state
    if seen is None or is_fixed(seen) or seen == state.current.endpoint:
        return state
    number = state.generations + 1
    current = Generation(number=number, mode=Mode.UNMANAGED, endpoint=seen)
    return replace(state, current=current, switch=None, generations=number, refusal=None, counter=state.counter + 1)


def follow_requests(state: State, observed: Observed) -> State:
    """Take note of a new `retry` (a refusal is forgotten, questions are asked anew) and carry out `abort`."""
    new = observed.find_new_requests(state.requests)
    switch = state.switch
    if "retry" in new:
        # Another token: a node that was refused does not ask again with the same one.
        counter = state.counter + (1 if switch is not None else 0)
        state = replace(state, refusal=None, counter=counter, requests=_note(state, "retry", new["retry"]))
    if "abort" in new:
        state = replace(state, requests=_note(state, "abort", new["abort"]))
        if switch is not None and PLANS[switch.plan].is_before_no_return(switch.step):
            state = roll_back(state, "Aborted", "aborted by annotation registry.deckhouse.io/abort")
    return state


def follow_settings(state: State, observed: Observed, now: datetime) -> Decision:
    """Start, replace or drop a switch so that it leads to the settings."""
    settings = observed.settings
    if isinstance(settings, InvalidSettings):
        return Decision(state=state, invalid=settings)
    switch = state.switch
    if switch is not None:
        if _is_target(settings, switch.candidate) or not PLANS[switch.plan].is_before_no_return(switch.step):
            return Decision(state=state)
        state = replace(state, switch=None, counter=state.counter + 1)
    if _is_target(settings, state.current):
        return Decision(state=replace(state, refusal=None))
    guards = find_transition_guards(settings, state.current)
    if guards or settings.endpoint is None:
        return Decision(state=state, guards=guards)
    number = state.generations + 1
    candidate = Generation(
        number=number, mode=settings.mode, endpoint=settings.endpoint, check_mode=settings.check_mode
    )
    if state.refusal is not None and state.refusal.fingerprint == candidate.fingerprint:
        return Decision(state=state)
    plan = TRANSITIONS[(state.current.mode, settings.mode)]
    begun = enter(plan.stages[0], plan, candidate, now, now)
    return Decision(
        state=replace(
            state,
            switch=begun,
            refusal=None,
            generations=number,
            requests=tuple(sorted({**dict(state.requests), **observed.requests}.items())),
        )
    )


def _is_target(settings: Settings, generation: Generation) -> bool:
    if settings.mode is not generation.mode:
        return False
    if settings.endpoint is None:
        return True
    return settings.endpoint == generation.endpoint and (
        settings.mode is Mode.UNMANAGED or settings.check_mode is generation.check_mode
    )


def _note(state: State, name: str, value: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**dict(state.requests), name: value}.items()))
