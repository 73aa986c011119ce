# SPDX-License-Identifier: Apache-2.0
"""Follow what others ask for: the platform, the request annotations, the settings."""

from dataclasses import replace
from datetime import datetime

from d8registry.errors import InvalidSettings
from d8registry.kube.platform import is_fixed
from d8registry.model.endpoint import Endpoint
from d8registry.model.settings import Mode, Settings
from d8registry.model.state import Generation, Phase, Standing, State, Step
from d8registry.switching.address import build_steady_address
from d8registry.switching.advance import begin, enter_stage
from d8registry.switching.asking import Questions
from d8registry.switching.decision import Decision
from d8registry.switching.guards import find_transition_guards
from d8registry.switching.observed import Observed
from d8registry.switching.plans import TRANSITIONS, find_plan, is_roll_back, is_rotation
from d8registry.switching.standing import is_failing, read_standing
from d8registry.switching.undo import (
    build_refusal,
    can_abort,
    can_turn_round,
    give_up_old,
    roll_back,
    turn_round,
)

_QUIET = (Standing.SILENT, Standing.REFUSED)


def follow_platform(state: State, observed: Observed) -> State:
    """Take over what the platform pulls with, while it is the platform's to change; a switch then starts anew."""
    seen, switch, plan = observed.platform, state.switch, find_plan(state)
    is_too_late = (
        switch is not None
        and plan is not None
        and (is_roll_back(switch) or not plan.is_before_no_return(switch.step, switch.phase))
    )
    if is_too_late or state.current.mode is not Mode.UNMANAGED:
        return state
    if seen is None or is_fixed(seen) or seen == state.current.endpoint:
        return state
    number = state.generations + 1
    current = Generation(number=number, mode=Mode.UNMANAGED, endpoint=seen)
    return replace(state, current=current, switch=None, generations=number, refusal=None, counter=state.counter + 1)


def follow_old_registry(state: State, questions: Questions, observed: Observed) -> State:
    """Put the new source in front where the old registry dies on the way; it does not go behind again by itself."""
    switch = state.switch
    if switch is None or switch.old in _QUIET or not is_failing(questions.old, observed):
        return state
    known = replace(switch, old=read_standing(questions.old, observed))
    return replace(state, switch=known, counter=state.counter + 1)


def follow_requests(state: State, observed: Observed, questions: Questions, now: datetime) -> State:
    """Take note of new request annotations and carry out `retry`, `pause` and `abort`."""
    new = observed.find_new_requests(state.requests)
    if "pause" in new:
        state = replace(state, is_paused=True, requests=_note(state, "pause", new["pause"]))
    elif "pause" in dict(state.requests) and "pause" not in observed.requests:
        # Gone is as good as never there: the same value pauses again.
        rest = tuple(pair for pair in state.requests if pair[0] != "pause")
        state = replace(_resume(state, now), requests=rest)
    if "retry" in new:
        noted = replace(state, refusal=None, requests=_note(state, "retry", new["retry"]))
        state = _try_again(_resume(noted, now), questions, observed, now)
    if "abort" in new:
        state = replace(state, requests=_note(state, "abort", new["abort"]))
        refusal = build_refusal(state, "Aborted", "aborted by annotation registry.deckhouse.io/abort")
        if can_abort(state):
            state = roll_back(state, refusal, now)
        elif can_turn_round(state) and state.switch is not None and not state.switch.is_return:
            state = turn_round(state, observed, refusal, now)
    return state


def follow_settings(state: State, observed: Observed, now: datetime) -> Decision:
    """Start, replace or drop a switch so that it leads to the settings."""
    settings = observed.settings
    if isinstance(settings, InvalidSettings):
        return Decision(state=state, invalid=settings)
    if state.switch is not None and not state.is_paused:
        state = _leave_switch(state, settings, observed, now)
    if state.switch is not None or state.is_paused:
        return Decision(state=state)
    if is_target(settings, state.current):
        return Decision(state=_mend(replace(state, refusal=None), now))
    decision = _start(state, settings, observed, now)
    return replace(decision, state=_mend(decision.state, now))


def is_target(settings: Settings, generation: Generation) -> bool:
    """Tell whether the settings ask for this very generation."""
    if settings.mode is not generation.mode:
        return False
    if settings.endpoint is None:
        return True
    return settings.endpoint == generation.endpoint and (
        settings.mode is Mode.UNMANAGED or settings.check_mode is generation.check_mode
    )


def _leave_switch(state: State, settings: Settings, observed: Observed, now: datetime) -> State:
    """Give the switch up for other settings, as soon as that harms nothing; a node never has three generations."""
    switch, plan = state.switch, find_plan(state)
    if switch is None or plan is None or (is_target(settings, switch.candidate) and not is_roll_back(switch)):
        return state
    if is_rotation(switch):
        # Everybody still trusts what is served, so other settings need not wait for a rotation that is held up.
        return replace(state, switch=None) if switch.hold is not None and switch.step is not Step.CLEAN_UP else state
    is_refused = state.refusal is not None and state.refusal.fingerprint == _fingerprint(settings, state.current)
    is_refused = is_refused or (switch.is_mending and bool(find_transition_guards(settings, state.current)))
    is_wanted_back = is_target(settings, state.current)
    if is_roll_back(switch):
        is_other = not is_wanted_back and not is_target(settings, switch.candidate)
        is_stuck = switch.hold is not None and is_other
        return replace(state, switch=None, refusal=switch.failure or state.refusal) if is_stuck else state
    if is_refused:
        return state  # this is the way back from them
    if can_turn_round(state):
        if switch.hold is None:
            return state
        is_old_dead = switch.old in _QUIET and state.current.mode is switch.candidate.mode is Mode.DIRECT
        return give_up_old(state) if is_old_dead and not is_wanted_back else turn_round(state, observed, None, now)
    if not plan.is_before_no_return(switch.step, switch.phase):
        return state
    if not plan.has_new_source(switch.step, switch.phase):
        return replace(state, switch=None, counter=state.counter + 1)
    # Before the text names it some node may not have proven the new source, and it may not stand alone there.
    is_proven = switch.step is not Step.ADD_SOURCE or switch.phase is Phase.TEXT
    is_dead = switch.old in _QUIET and state.current.mode is switch.candidate.mode
    if is_dead and is_proven and not is_wanted_back:
        return give_up_old(state)
    return roll_back(state, None, now) if is_wanted_back else replace(state, switch=None, counter=state.counter + 1)


def _start(state: State, settings: Settings, observed: Observed, now: datetime) -> Decision:
    guards = find_transition_guards(settings, state.current)
    endpoint = _find_endpoint(settings, state.current)
    if guards or endpoint is None:
        return Decision(state=state, guards=guards)
    number = state.generations + 1
    candidate = Generation(number=number, mode=settings.mode, endpoint=endpoint, check_mode=settings.check_mode)
    if state.refusal is not None and state.refusal.fingerprint == candidate.fingerprint:
        return Decision(state=state)
    plan = TRANSITIONS[(state.current.mode, settings.mode)]
    noted = tuple(sorted({**dict(state.requests), **observed.requests}.items()))
    begun = begin(plan, plan.stages[0], candidate, now)
    return Decision(state=replace(state, switch=begun, refusal=None, generations=number, requests=noted))


def _mend(state: State, now: datetime) -> State:
    """Lead the pull secret to the present generation where an older one was given up on the way to a third.

    The nodes go the same way as to a new registry, because some may never have proven this one.
    """
    wanted = build_steady_address(state.current)
    if state.switch is not None or state.address is None or wanted is None or state.address == wanted:
        return state
    number = state.generations + 1
    plan = TRANSITIONS[(state.current.mode, state.current.mode)]
    begun = replace(begin(plan, plan.stages[0], replace(state.current, number=number), now), is_mending=True)
    return replace(state, switch=begun, generations=number)


def _find_endpoint(settings: Settings, current: Generation) -> Endpoint | None:
    """Unmanaged without parameters keeps the registry in use, which is the one that Direct was led to."""
    if settings.endpoint is None and settings.mode is Mode.UNMANAGED:
        return current.endpoint
    return settings.endpoint


def _fingerprint(settings: Settings, current: Generation) -> str:
    endpoint = _find_endpoint(settings, current)
    if endpoint is None:
        return ""
    return Generation(number=0, mode=settings.mode, endpoint=endpoint, check_mode=settings.check_mode).fingerprint


def _try_again(state: State, questions: Questions, observed: Observed, now: datetime) -> State:
    """Ask anew: nodes get another token, and a switch that turned its sources back begins to turn them again."""
    switch, plan = state.switch, find_plan(state)
    if switch is None or plan is None:
        return state
    state = replace(state, counter=state.counter + 1)
    if switch.hold is not None and switch.hold.is_turned:
        first = next(stage for stage in plan.stages if stage.step is Step.PREFER_NEW)
        return enter_stage(state, first, questions, observed, now)
    return replace(state, switch=replace(switch, hold=None, progressed=now))


def _resume(state: State, now: datetime) -> State:
    switch = replace(state.switch, progressed=now) if state.switch is not None and state.is_paused else state.switch
    return replace(state, is_paused=False, switch=switch)


def _note(state: State, name: str, value: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**dict(state.requests), name: value}.items()))
