# SPDX-License-Identifier: Apache-2.0
"""Say where the module is: the documented conditions, each with what is waited for, since when and until when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from d8registry.model.condition import Condition, ConditionStatus, ConditionType
from d8registry.model.settings import Mode, ModuleSettings, OnFailure
from d8registry.model.state import State, Switch
from d8registry.switching.decision import Decision
from d8registry.switching.guards import name_some
from d8registry.switching.outcome import Waiting
from d8registry.switching.plans import PLANS, TRANSITIONS, Plan, find_plan, is_roll_back, is_rotation
from d8registry.switching.undo import can_roll_back

_TRUE, _FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE
RETRY = 'kubectl annotate --overwrite moduleconfig registry registry.deckhouse.io/retry="$(date +%s)"'
_APPLYING = Waiting(reason="Applying", message="writing what this step changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    status: ConditionStatus
    reason: str
    message: str


def build_conditions(
    decision: Decision, earlier: Sequence[Condition], settings: ModuleSettings, now: datetime
) -> tuple[Condition, ...]:
    """Build the conditions; a time of transition moves only when a status does."""
    known = {condition.type: condition for condition in earlier}
    words = {**_describe_steps(decision, known), **_describe_whole(decision, settings)}
    switch = decision.state.switch
    generation = switch.candidate.number if switch else decision.state.current.number
    return tuple(
        Condition(
            type=kind,
            status=words[kind].status,
            reason=words[kind].reason,
            message=words[kind].message,
            since=known[kind].since if kind in known and known[kind].status is words[kind].status else now,
            generation=generation,
        )
        for kind in ConditionType
        if kind in words
    )


def build_halted_conditions(
    earlier: Sequence[Condition], reason: str, message: str, now: datetime
) -> tuple[Condition, ...]:
    """Build what is said while something is missing or unreadable and nothing may be changed; the rest stays said."""
    for condition in earlier:
        if (condition.type, condition.reason, condition.message) == (ConditionType.READY, reason, message):
            return tuple(earlier)
    ready = Condition(type=ConditionType.READY, status=_FALSE, reason=reason, message=message, since=now, generation=0)
    return (*(condition for condition in earlier if condition.type is not ConditionType.READY), ready)


def _describe_steps(decision: Decision, known: Mapping[ConditionType, Condition]) -> dict[ConditionType, _Words]:
    switch, state = decision.state.switch, decision.state
    plan = find_plan(state)
    if switch is None or plan is None:
        # What a finished switch confirmed stays readable for as long as its mode is in force.
        kinds = _list_kinds(TRANSITIONS[(Mode.UNMANAGED, Mode.DIRECT)]) if state.current.mode is Mode.DIRECT else ()
        return {kind: _describe_done(kind, decision, known) for kind in kinds}
    position = plan.find(switch.step, switch.phase)
    words: dict[ConditionType, _Words] = {
        kind: _Words(status=_TRUE, reason="NothingToDo", message="this change has nothing to do here")
        for kind in _list_kinds(PLANS[switch.plan])
    }
    for kind in _list_kinds(plan):
        indexes = [i for i, stage in enumerate(plan.stages) if stage.condition is kind]
        if position > indexes[-1]:
            words[kind] = _describe_done(kind, decision, known)
        elif position < indexes[0]:
            words[kind] = _Words(status=_FALSE, reason="Pending", message="earlier steps come first")
        else:
            waiting = decision.waiting or _APPLYING
            words[kind] = _Words(status=_FALSE, reason=waiting.reason, message=waiting.message)
    return words


def _list_kinds(plan: Plan) -> tuple[ConditionType, ...]:
    return tuple(dict.fromkeys(stage.condition for stage in plan.stages))


def _describe_done(kind: ConditionType, decision: Decision, known: Mapping[ConditionType, Condition]) -> _Words:
    if kind in decision.done:
        return _Words(status=_TRUE, reason="Confirmed", message=decision.done[kind])
    if kind in known and known[kind].status is _TRUE:
        return _Words(status=_TRUE, reason="Confirmed", message=known[kind].message)
    return _Words(status=_TRUE, reason="Confirmed", message="confirmed in an earlier run")


def _describe_whole(decision: Decision, settings: ModuleSettings) -> dict[ConditionType, _Words]:
    words: dict[ConditionType, _Words] = {}
    transition = [guard for guard in decision.guards if guard.is_transition]
    if transition:
        words[ConditionType.NOT_SUPPORTED] = _Words(
            status=_TRUE, reason=transition[0].reason, message=transition[0].message
        )
    words[ConditionType.READY] = _describe_ready(decision, settings)
    return words


def _describe_ready(decision: Decision, settings: ModuleSettings) -> _Words:
    state, switch = decision.state, decision.state.switch
    if switch is not None:
        message = describe_switch(state, decision.waiting or _APPLYING, settings)
        if decision.invalid is not None:
            message += f"; the settings of now are invalid and are not followed: {decision.invalid}"
        return _Words(status=_FALSE, reason=_name_progress(state), message=message)
    if decision.invalid is not None:
        message = f"{decision.invalid}. Nothing was changed; correct it: kubectl edit moduleconfig deckhouse"
        return _Words(status=_FALSE, reason="InvalidSettings", message=message)
    if decision.guards:
        text = "; ".join(guard.message for guard in decision.guards)
        return _Words(status=_FALSE, reason=decision.guards[0].reason, message=text)
    if decision.waiting is not None:
        return _Words(status=_FALSE, reason=decision.waiting.reason, message=decision.waiting.message)
    if state.refusal is not None:
        text = (
            f"given up at step {state.refusal.step} and rolled back: {state.refusal.message}. Change the settings, or "
        )
        return _Words(status=_FALSE, reason=state.refusal.reason, message=f"{text}try again: {RETRY}")
    message = f"mode {state.current.mode}, {state.current.endpoint.base}"
    if state.leftovers:
        message += f"; do not revoke older credentials yet: {name_some(list(state.leftovers))}"
    if state.is_paused:
        message += "; paused: other settings are not followed before annotation registry.deckhouse.io/pause goes"
    return _Words(status=_TRUE, reason="UpToDate", message=message)


def _name_progress(state: State) -> str:
    switch = state.switch
    if state.is_paused:
        return "Paused"
    if switch is None or switch.hold is not None:
        return "Holding"
    if is_rotation(switch):
        return "RotatingAuthority"
    return "RollingBack" if is_roll_back(switch) else "Switching"


def describe_switch(state: State, waiting: Waiting, settings: ModuleSettings) -> str:
    """Say where a switch is, what it waits for, since when, and what happens then."""
    switch, plan = state.switch, find_plan(state)
    if switch is None or plan is None:
        return ""
    if is_roll_back(switch):
        failure = switch.failure
        cause = f" ({failure.reason} at step {failure.step}: {failure.message})" if failure is not None else ""
        return f"rolling back to {state.current.mode}, {state.current.endpoint.base}{cause}: {waiting.message}"
    steps = list(dict.fromkeys(stage.step for stage in plan.stages))
    number = steps.index(switch.step) + 1
    if is_rotation(switch):
        where = (
            f"another certificate authority of the module's own: step {switch.step} ({number} of {len(steps)}) since "
        )
        where += f"{switch.since:%H:%M:%S} UTC: {waiting.message}"
        return _add_fate(where, state, switch, waiting, settings)
    where = (
        f"{'returning' if switch.is_return else 'switching'} to {switch.candidate.mode}, "
        f"{switch.candidate.endpoint.base}: step {switch.step} ({number} of {len(steps)}) since "
        f"{switch.since:%H:%M:%S} UTC: {waiting.message}"
    )
    return _add_fate(where, state, switch, waiting, settings)


def _add_fate(text: str, state: State, switch: Switch, waiting: Waiting, settings: ModuleSettings) -> str:
    """Say what comes at the deadline; what ends by itself has none."""
    has_none = waiting.is_timed and switch.hold is None and not state.is_paused
    return text if has_none else f"{text}; {_describe_fate(state, switch, settings)}"


def _describe_fate(state: State, switch: Switch, settings: ModuleSettings) -> str:
    if state.is_paused:
        return "deadlines do not count meanwhile"
    if switch.hold is not None and switch.hold.is_turned:
        return (
            f"it holds since {switch.hold.since:%H:%M:%S} UTC with the old source in front again on every node. "
            f"Change the settings, or go on: {RETRY}"
        )
    if switch.hold is not None:
        return (
            f"it holds since {switch.hold.since:%H:%M:%S} UTC ({switch.hold.message}), and goes on as soon as it can. "
            "Change the settings, or undo it: kubectl annotate --overwrite moduleconfig registry "
            'registry.deckhouse.io/abort="$(date +%s)"'
        )
    deadline = switch.progressed + timedelta(seconds=settings.step_deadline)
    is_back = settings.on_failure is OnFailure.ROLLBACK and can_roll_back(state)
    plan = find_plan(state)
    are_beside = state.current.mode is switch.candidate.mode and plan is not None
    is_turning = are_beside and plan is not None and plan.keeps_both(switch.step, switch.phase)
    fate = "it is rolled back" if is_back else "it holds" + (", an answering old source in front" if is_turning else "")
    return f"without progress until {deadline:%H:%M:%S} UTC {fate}"
