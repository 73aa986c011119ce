# SPDX-License-Identifier: Apache-2.0
"""Secret registry-pki as it is written: sealed, with the day on which it was looked at, and until when it holds."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from d8registry.kube.operations import Operation, apply_secret, read_revision
from d8registry.kube.seal import SEAL, build_seal
from d8registry.model.state import State
from d8registry.pki.material import NAME, Material, render_material

CHECKED = "registry.deckhouse.io/checked"
ROTATE_AFTER = "registry.deckhouse.io/rotate-after"
_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


def build_material(
    material: Material, names: Sequence[str], now: datetime, seen: Mapping[str, Any], state: State
) -> tuple[Operation, ...]:
    """Build what writes issued or looked-at material, with the day of that and when another authority is to follow.

    Each run that issues draws another authority, so only one that still finds what this run saw may write: by the
    revision alone two runs of the same state could both.
    """
    from d8registry.pki.renewal import ROTATE_BEFORE, read_end

    data = render_material(material)
    after = read_end(material) - ROTATE_BEFORE if material.ca_key else _AT_ONCE
    notes = {CHECKED: _sign(names, now), ROTATE_AFTER: f"{after:%Y-%m-%dT%H:%M:%SZ}"}
    present = seen.get(NAME)
    expected = read_revision(present) if present is not None else None
    return apply_secret(NAME, data, present, state.revision, annotations=notes, expected=expected, salt=state.salt)


def is_checked(seen: Mapping[str, Any] | None, names: Sequence[str], now: datetime, salt: str) -> bool:
    """Tell whether Secret registry-pki was looked at today, for the same names, and nobody changed it since."""
    if seen is None:
        return False
    notes = seen["metadata"].get("annotations") or {}
    is_ours = notes.get(SEAL) == build_seal(seen.get("data") or {}, salt)
    return bool(is_ours and notes.get(CHECKED) == _sign(names, now))


def read_rotate_after(seen: Mapping[str, Any] | None) -> datetime | None:
    """Read when another authority is to follow; None where that is not known."""
    notes = (seen["metadata"].get("annotations") or {}) if seen else {}
    try:
        return datetime.fromisoformat(notes[ROTATE_AFTER].replace("Z", "+00:00"))
    except (KeyError, ValueError):
        return None


def _sign(names: Sequence[str], now: datetime) -> str:
    return f"{now:%Y-%m-%d} {hashlib.sha256(json.dumps(names).encode()).hexdigest()[:8]}"
