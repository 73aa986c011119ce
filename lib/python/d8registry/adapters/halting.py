# SPDX-License-Identifier: Apache-2.0
"""Stand still where nothing may be decided: say why and how to recover, keep what Helm renders, touch nothing else."""

from collections.abc import Mapping
from typing import Any

from d8registry.adapters.idle import SWITCHING
from d8registry.adapters.runtime import Outputs, Run
from d8registry.kube import proxy
from d8registry.kube.operations import REVISION, apply_secret, merge_secret, read_revision
from d8registry.kube.state import NAME, parse_conditions, render_conditions
from d8registry.switching.observe import read_nodes, read_request
from d8registry.switching.report import build_halted_conditions

# What annotation `rebuild` said when the state was missed first: only another value after that is a request.
HALTED = "registry.deckhouse.io/halted"
FOREIGN = (
    f"Secret d8-system/{NAME} was not written by this module: another implementation manages the registry of this "
    "cluster, and nothing is changed. Disable the one that is not wanted: kubectl get moduleconfigs"
)


def halt(reason: str, message: str, run: Run, seen: Mapping[str, Any]) -> Outputs:
    """Change nothing but what is said, and keep Helm's switches as the objects show them to be."""
    conditions = build_halted_conditions(parse_conditions(seen.get(NAME)), reason, message, run.now)
    data = {"conditions": render_conditions(conditions)}
    notes = {SWITCHING: "false"}
    if _read_note(seen) is None:
        notes[HALTED] = _read_rebuild(run)
    operations = (
        merge_secret(NAME, data, seen[NAME], read_revision(seen[NAME]), annotations=notes)
        if NAME in seen
        else apply_secret(NAME, data, None, 0, annotations=notes)
    )
    return Outputs(operations=operations, internal=restore_switches(run, seen))


def restore_switches(run: Run, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Build the values that render what is there already."""
    return {"proxy": proxy.build_values(read_nodes(run.snapshots["nodes"]), is_enabled=proxy.UPSTREAM in seen)}


def is_foreign(seen: Mapping[str, Any] | None) -> bool:
    """Tell whether Secret registry-state is there and is not ours: each of ours carries its revision."""
    return seen is not None and REVISION not in (seen["metadata"].get("annotations") or {})


def is_rebuild_asked(run: Run, seen: Mapping[str, Any]) -> bool:
    """Tell whether annotation `rebuild` was given another value since the state was missed."""
    note = _read_note(seen)
    return note is not None and _read_rebuild(run) not in ("", note)


def _read_note(seen: Mapping[str, Any]) -> str | None:
    found: str | None = (seen[NAME]["metadata"].get("annotations") or {}).get(HALTED) if NAME in seen else None
    return found


def _read_rebuild(run: Run) -> str:
    return read_request(run.snapshots.get("requests", ()), "rebuild") or ""
