# SPDX-License-Identifier: Apache-2.0
"""Say where the module is: the documented conditions, each with what is waited for, since when and until when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from d8registry.model.condition import Condition, ConditionStatus, ConditionType
from d8registry.model.settings import Mode, ModuleSettings, OnFailure
from d8registry.model.state import State, Switch
from d8registry.switching.decision import Decision
from d8registry.switching.outcome import Waiting
from d8registry.switching.plans import PLANS, TRANSITIONS, Plan

_TRUE, _FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE
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
    switch = decision.state.switch
    plan = _find_plan(decision.state)
    if plan is None:
        return {}
    position = plan.find(switch.step, switch.phase) if switch else len(plan.stages)
    words: dict[ConditionType, _Words] = {}
    for kind in dict.fromkeys(stage.condition for stage in plan.stages):
        indexes = [i for i, stage in enumerate(plan.stages) if stage.condition is kind]
        if position > indexes[-1]:
            words[kind] = _describe_done(kind, decision, known)
        elif position < indexes[0]:
            words[kind] = _Words(status=_FALSE, reason="Pending", message="earlier steps come first")
        else:
            waiting = decision.waiting or _APPLYING
            words[kind] = _Words(status=_FALSE, reason=waiting.reason, message=waiting.message)
    return words


def _describe_done(kind: ConditionType, decision: Decision, known: Mapping[ConditionType, Condition]) -> _Words:
    if kind in decision.done:
        return _Words(status=_TRUE, reason="Confirmed", message=decision.done[kind])
    if kind in known and known[kind].status is _TRUE:
        return _Words(status=_TRUE, reason="Confirmed", message=known[kind].message)
    return _Words(status=_TRUE, reason="Confirmed", message="confirmed in an earlier run")


def _find_plan(state: State) -> Plan | None:
    if state.switch is not None:
        return PLANS[state.switch.plan]
    # What a finished switch confirmed stays readable for as long as its mode is in force.
    return TRANSITIONS[(Mode.UNMANAGED, Mode.DIRECT)] if state.current.mode is Mode.DIRECT else None


def _describe_whole(decision: Decision, settings: ModuleSettings) -> dict[ConditionType, _Words]:
    state, switch = decision.state, decision.state.switch
    words: dict[ConditionType, _Words] = {}
    transition = [guard for guard in decision.guards if guard.is_transition]
    if transition:
        words[ConditionType.NOT_SUPPORTED] = _Words(
            status=_TRUE, reason=transition[0].reason, message=transition[0].message
        )
    words[ConditionType.READY] = _Words(
        status=_TRUE, reason="UpToDate", message=f"mode {state.current.mode}, {state.current.endpoint.base}"
    )
    if switch is not None:
        message = _describe_switch(switch, decision.waiting or _APPLYING, settings)
        if decision.invalid is not None:
            message += f"; the settings of now are invalid and are not followed: {decision.invalid}"
        words[ConditionType.READY] = _Words(status=_FALSE, reason="Switching", message=message)
    elif decision.invalid is not None:
        message = f"{decision.invalid}. Nothing was changed; correct it: kubectl edit moduleconfig deckhouse"
        words[ConditionType.READY] = _Words(status=_FALSE, reason="InvalidSettings", message=message)
    elif decision.guards:
        text = "; ".join(guard.message for guard in decision.guards)
        words[ConditionType.READY] = _Words(status=_FALSE, reason=decision.guards[0].reason, message=text)
    elif state.refusal is not None:
        text = (
            f"given up at step {state.refusal.step} and rolled back: {state.refusal.message}. Change the settings, or "
        )
        text += (
            'try again: kubectl annotate --overwrite moduleconfig registry registry.deckhouse.io/retry="$(date +%s)"'
        )
        words[ConditionType.READY] = _Words(status=_FALSE, reason=state.refusal.reason, message=text)
    return words


def _describe_switch(switch: Switch, waiting: Waiting, settings: ModuleSettings) -> str:
    plan = PLANS[switch.plan]
    steps = list(dict.fromkeys(stage.step for stage in plan.stages))
    number = steps.index(switch.step) + 1
    deadline = switch.progressed + timedelta(seconds=settings.step_deadline)
    is_open = plan.is_before_no_return(switch.step) and settings.on_failure is OnFailure.ROLLBACK
    fate = "it is rolled back" if is_open else "it holds as it is and goes on waiting"
    return (
        f"switching to {switch.candidate.mode}, {switch.candidate.endpoint.base}: step {switch.step} "
        f"({number} of {len(steps)}) since {switch.since:%H:%M:%S} UTC: {waiting.message}; "
        f"without progress until {deadline:%H:%M:%S} UTC {fate}"
    )
