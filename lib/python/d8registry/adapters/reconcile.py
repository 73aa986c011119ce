# SPDX-License-Identifier: Apache-2.0
"""One run of the reconcile hook: read, decide, and write either a new state or the effects of the one that was read."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from d8registry.adapters.halting import FOREIGN, HALTED, halt, is_foreign, is_rebuild_asked, restore_switches
from d8registry.adapters.idle import SWITCHING
from d8registry.adapters.renewing import read_material, renew
from d8registry.adapters.runtime import Outputs, Run
from d8registry.errors import InvalidObject, StateUnreadable
from d8registry.kube.notices import Notice, add_notices, find_edits, parse_notices, render_notices
from d8registry.kube.operations import Operation, apply_secret, read_highest_revision, read_revision
from d8registry.kube.state import NAME, RECOVER, parse_conditions, parse_state, render_conditions, render_state
from d8registry.model.state import State
from d8registry.switching.decide import decide
from d8registry.switching.decision import Decision
from d8registry.switching.effects import build_operations
from d8registry.switching.initial import resume_state
from d8registry.switching.observe import Inputs, find_highest_counter, observe
from d8registry.switching.observed import Observed
from d8registry.switching.plans import PLANS
from d8registry.switching.realise import realise
from d8registry.switching.report import build_conditions
from d8registry.switching.revoke import build_revoke


def reconcile(run: Run) -> Outputs:
    """Carry the module one decision further; twice changes nothing.

    What cannot be read is said in the conditions and changes nothing: a failing run would hold the operator's queue.
    """
    seen = {entry["metadata"]["name"]: entry for entry in run.snapshots.get("secrets", ())}
    if is_foreign(seen.get(NAME)):
        # Another implementation keeps its state under this name (decision record 11): not a word is written to it.
        return Outputs(internal=restore_switches(run, seen), warnings=(FOREIGN,))
    try:
        return _reconcile(run, seen)
    except InvalidObject as error:
        return halt("InvalidObject", str(error), run, seen)
    except StateUnreadable as error:
        return halt("StateUnreadable", str(error), run, seen)


def _reconcile(run: Run, seen: Mapping[str, Any]) -> Outputs:
    state = _read_state(run, seen)
    observed = observe(
        Inputs(snapshots=run.snapshots, secrets=seen, values=run.values, global_values=run.global_values), state
    )
    written = read_highest_revision({name: entry for name, entry in seen.items() if name != NAME})
    if state is None:
        from d8registry.adapters.starting import begin_state

        found = begin_state(observed, run, seen)
        if not isinstance(found, State):
            return halt(*found, run, seen)
        begun = Decision(state=replace(found, revision=read_highest_revision(seen) + 1))
        operations = _write_state(begun, run, observed, seen, expected=read_revision(seen.get(NAME)))
        return Outputs(operations=operations, internal=restore_switches(run, seen))
    if written > state.revision:
        resumed = Decision(
            state=resume_state(
                state, highest_counter=find_highest_counter(seen, observed.nodes), highest_revision=written
            )
        )
        return Outputs(
            operations=_write_state(resumed, run, observed, seen, expected=state.revision),
            internal=restore_switches(run, seen),
        )
    if state.disabled is not None:
        from d8registry.switching.leaving import enable

        enabled = Decision(state=enable(state, run.now, manages_hosts=observed.manages_hosts))
        operations = _write_state(enabled, run, observed, seen, expected=state.revision)
        return Outputs(operations=operations, internal=restore_switches(run, seen))
    return _go_on(state, observed, run, seen)


def _read_state(run: Run, seen: Mapping[str, Any]) -> State | None:
    """Read the state; None where there is none, or where one that cannot be read is to be made anew."""
    try:
        state = parse_state(seen.get(NAME))
        if state is not None and state.switch is not None and state.switch.plan not in PLANS:
            raise StateUnreadable(f"Secret d8-system/{NAME}: this release has no plan {state.switch.plan}; {RECOVER}")
    except StateUnreadable:
        if not is_rebuild_asked(run, seen):
            raise
        return None
    return state


def _go_on(state: State, observed: Observed, run: Run, seen: Mapping[str, Any]) -> Outputs:
    material = read_material(state, seen)
    renewed = renew(state, material, observed, run, seen)
    if renewed:
        return Outputs(operations=renewed, internal=restore_switches(run, seen))
    desired = realise(state, observed, material)
    # Paused means that nothing of ours is written but what is said; edits are told all the same.
    wanted = build_operations(state, desired, seen)
    operations = () if state.is_paused else wanted
    internal = run.values.get("internal") or {}
    settled = not operations and all(internal.get(key) == value for key, value in desired.internal.items())
    decision = decide(
        state,
        desired,
        observed,
        material,
        run.now,
        settled=settled,
        fresh_epoch=os.urandom(4).hex(),
        is_start=internal.get("awake") is not True,
    )
    revoke = build_revoke(decision.state, observed, desired.questions)
    if decision.state != state:
        return Outputs(
            operations=_write_state(decision, run, observed, seen, expected=state.revision, revoke=revoke),
            internal=desired.internal,
        )
    edits = find_edits(seen, wanted, state.salt, is_paused=state.is_paused, now=run.now)
    report = _write_state(decision, run, observed, seen, expected=state.revision, edits=edits, revoke=revoke)
    return Outputs(
        operations=(*operations, *report), internal=desired.internal, warnings=tuple(str(edit) for edit in edits)
    )


def _write_state(
    decision: Decision,
    run: Run,
    observed: Observed,
    seen: Mapping[str, Any],
    *,
    expected: int,
    edits: tuple[Notice, ...] = (),
    revoke: str = "no, because the module has just begun to look",
) -> tuple[Operation, ...]:
    state = decision.state
    earlier = parse_conditions(seen.get(NAME))
    conditions = build_conditions(decision, earlier, observed.module_settings, run.now)
    target = state.switch.candidate if state.switch else state.current
    data = {
        "state": render_state(state),
        "conditions": render_conditions(conditions),
        "mode": state.current.mode.value,
        "target_mode": target.mode.value,
        "hash": target.endpoint.fingerprint,
        "revoke": revoke,
        "notices": render_notices(add_notices(parse_notices(seen.get(NAME)), edits)),
    }
    notes: dict[str, str | None] = {SWITCHING: "true" if state.switch else "false", HALTED: None}
    return apply_secret(NAME, data, seen.get(NAME), state.revision, expected=expected, annotations=notes)
