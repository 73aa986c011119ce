# SPDX-License-Identifier: Apache-2.0
"""Decide what the state is to be next. Pure: the same state and the same view give the same answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from d8registry.errors import InvalidSettings
from d8registry.kube.platform import is_fixed
from d8registry.model.condition import ConditionType
from d8registry.model.settings import Mode, OnFailure, Settings
from d8registry.model.state import Generation, Phase, Refusal, State, Step, Switch
from d8registry.pki.material import Material
from d8registry.switching.confirm import Moment, confirm
from d8registry.switching.fleet import is_lagging
from d8registry.switching.guards import Guard, find_transition_guards
from d8registry.switching.layouts import find_retained_host
from d8registry.switching.observed import Observed
from d8registry.switching.outcome import Waiting
from d8registry.switching.plans import PLANS, TRANSITIONS, Plan, Stage
from d8registry.switching.realise import Desired, realise


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The state to be, and what is to be told of it.

    `waiting`: what the present stage waits for. `done`: messages of the conditions that came true in this run. `guards`
    and `invalid`: why the settings are not being followed.
    """

    state: State
    waiting: Waiting | None = None
    done: Mapping[ConditionType, str] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()
    invalid: InvalidSettings | None = None


def build_initial_state(observed: Observed, *, epoch: str, salt: str) -> State | None:
    """Build the state of a cluster that the module meets for the first time; None while it cannot be told.

    `epoch` and `salt` are fresh random hex digits.
    That is: Secret deckhouse-registry is missing, or already names the fixed address, so that a state must have been
    there and is lost.
    """
    if observed.platform is None or is_fixed(observed.platform):
        return None
    current = Generation(number=1, mode=Mode.UNMANAGED, endpoint=observed.platform)
    return State(
        revision=0,
        current=current,
        owns_real_host=observed.manages_hosts,
        counter=observed.highest_counter + 1,
        epoch=epoch,
        salt=salt,
        requests=tuple(sorted(observed.requests.items())),
    )


def resume_state(state: State, observed: Observed, highest_revision: int) -> State:
    """Bring a state from a backup above everything that was written after it: revisions, and the nodes' counter."""
    counter = max(state.counter, observed.highest_counter) + 1
    return replace(state, revision=highest_revision + 1, counter=counter)


def decide(state: State, observed: Observed, material: Material | None, now: datetime, *, settled: bool) -> Decision:
    """Decide the next state.

    `settled`: everything that `state` puts into effect has been written; until then nothing is taken for confirmed.
    A changed state has the next revision.
    """
    decision = _follow_settings(_follow_requests(_follow_platform(state, observed), observed), observed, now)
    if decision.state == state and state.switch is not None:
        decision = _carry_on(state, observed, material, now, settled=settled)
        if isinstance(observed.settings, InvalidSettings):
            decision = replace(decision, invalid=observed.settings)
    if decision.state != state:
        decision = replace(decision, state=replace(decision.state, revision=state.revision + 1))
    return decision


def _follow_platform(state: State, observed: Observed) -> State:
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


def _follow_requests(state: State, observed: Observed) -> State:
    """Take note of a new `retry` (a refusal is forgotten, questions are asked anew) and carry out `abort`."""
    handled = dict(state.requests)
    new = {name: value for name, value in observed.requests.items() if handled.get(name) != value}
    switch = state.switch
    if "retry" in new:
        # Another token: a node that was refused does not ask again with the same one.
        counter = state.counter + (1 if switch is not None else 0)
        state = replace(state, refusal=None, counter=counter, requests=_note(state, "retry", new["retry"]))
    if "abort" in new:
        state = replace(state, requests=_note(state, "abort", new["abort"]))
        if switch is not None and PLANS[switch.plan].is_before_no_return(switch.step):
            state = _roll_back(state, "Aborted", "aborted by annotation registry.deckhouse.io/abort")
    return state


def _follow_settings(state: State, observed: Observed, now: datetime) -> Decision:
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
    begun = _enter(plan.stages[0], plan, candidate, now, now)
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


def _carry_on(state: State, observed: Observed, material: Material | None, now: datetime, *, settled: bool) -> Decision:
    """Confirm the present stage and go on as far as nothing new has to be written."""
    done: dict[ConditionType, str] = {}
    desired = realise(state, observed, material)
    while state.switch is not None:
        if not settled:
            waiting = Waiting(reason="Applying", message="writing what this step changes")
            return _check_deadline(Decision(state=state, waiting=waiting, done=done), observed, now)
        outcome = confirm(Moment(state=state, switch=state.switch, observed=observed, desired=desired, now=now))
        if isinstance(outcome, Waiting):
            return _check_deadline(Decision(state=state, waiting=outcome, done=done), observed, now)
        before = state
        state, finished = _advance(state, observed, now)
        if finished is not None:
            done[finished] = outcome.message
        after = realise(state, observed, material)
        settled, desired = _has_same_effects(before, state, desired, after), after
    return Decision(state=state, done=done)


def _has_same_effects(before: State, after: State, was: Desired, becomes: Desired) -> bool:
    return after.switch is not None and was == becomes and before.counter == after.counter


def _advance(state: State, observed: Observed, now: datetime) -> tuple[State, ConditionType | None]:
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
        _enter(following, plan, switch.candidate, switch.started, now),
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


def _enter(stage: Stage, plan: Plan, candidate: Generation, started: datetime, now: datetime) -> Switch:
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
        return Decision(state=_roll_back(decision.state, waiting.reason, message))
    return decision


def _roll_back(state: State, reason: str, message: str) -> State:
    """Drop the candidate: what the last good generation needs is what the steady stage puts into effect."""
    switch = state.switch
    if switch is None:
        return state
    refusal = Refusal(fingerprint=switch.candidate.fingerprint, step=switch.step, reason=reason, message=message)
    return replace(state, switch=None, refusal=refusal, counter=state.counter + 1)


def _note(state: State, name: str, value: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**dict(state.requests), name: value}.items()))
