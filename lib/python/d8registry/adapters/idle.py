# SPDX-License-Identifier: Apache-2.0
"""Recognise a run that has nothing to look at, before anything heavy is imported."""

from d8registry.adapters.runtime import Run
from d8registry.switching.bindings import TICK

SWITCHING = "registry.deckhouse.io/switching"
STATE = "registry-state"


def is_idle(run: Run) -> bool:
    """Tell whether only the clock woke this run and no switch is in progress, so that time alone changes nothing."""
    notes = [
        entry["metadata"].get("annotations") or {}
        for entry in run.snapshots.get("secrets", ())
        if entry["metadata"]["name"] == STATE
    ]
    return run.bindings == {TICK} and any(note.get(SWITCHING) == "false" for note in notes)
