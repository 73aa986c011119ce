# SPDX-License-Identifier: Apache-2.0
"""Edits of our own objects: who changed what, and what became of it (key `notices` of Secret registry-state)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from d8registry.errors import InvalidObject
from d8registry.kube import platform
from d8registry.kube.operations import NAMESPACE, Operation
from d8registry.kube.platform import decode_secret
from d8registry.kube.seal import SEAL, find_changed_keys
from d8registry.kube.yamltext import dump_rows, load_rows

KEPT = 20
# What is seen again within this time is the same edit, looked at before the operator's view caught up.
_SAME = timedelta(minutes=1)


class Outcome(StrEnum):
    """What the module did about an edit."""

    PUT_BACK = "PutBack"
    LEFT_PAUSED = "LeftWhilePaused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One edit: `keys` of the object that differ from what was written, `writer` its last field manager if known."""

    at: datetime
    object: str
    keys: tuple[str, ...]
    writer: str
    outcome: Outcome

    def __str__(self) -> str:
        done = "put back" if self.outcome is Outcome.PUT_BACK else "left as it is while annotation pause is set"
        return f"{self.object}: {', '.join(self.keys)} changed by {self.writer or 'an unknown writer'}; {done}"


def find_edits(
    seen: Mapping[str, Mapping[str, Any]],
    operations: Iterable[Operation],
    salt: str,
    *,
    is_paused: bool,
    now: datetime,
) -> tuple[Notice, ...]:
    """Find what others changed in Secrets that we sealed, among those that `operations` write anew, sorted by object.

    `seen` maps names to filter results. What is not written any more is not ours to mind.
    """
    found = []
    written = {operation["name"] for operation in operations if operation["operation"] == "JQPatch"}
    for name, entry in sorted((name, entry) for name, entry in seen.items() if name in written):
        data, notes = entry.get("data") or {}, entry["metadata"].get("annotations") or {}
        if name == platform.NAME:  # the platform keeps keys of its own there
            data = {key: value for key, value in data.items() if key in platform.KEYS}
        keys = find_changed_keys(data, notes[SEAL], salt) if SEAL in notes else ()
        if keys:
            found.append(
                Notice(
                    at=now,
                    object=f"Secret {NAMESPACE}/{name}",
                    keys=tuple(f"data.{key}" for key in keys),
                    writer=entry.get("writer") or "",
                    outcome=Outcome.LEFT_PAUSED if is_paused else Outcome.PUT_BACK,
                )
            )
    return tuple(found)


def add_notices(earlier: Sequence[Notice], edits: Iterable[Notice]) -> tuple[Notice, ...]:
    """Put `edits` behind the earlier notices; what was just said, or stays as it is, is not said again."""
    notices = list(earlier)
    for edit in edits:
        last = next((notice for notice in reversed(notices) if notice.object == edit.object), None)
        is_same = last is not None and (last.keys, last.writer, last.outcome) == (edit.keys, edit.writer, edit.outcome)
        if not (is_same and last and (edit.outcome is Outcome.LEFT_PAUSED or edit.at - last.at < _SAME)):
            notices.append(edit)
    return tuple(notices[-KEPT:])


def parse_notices(seen: Mapping[str, Any] | None) -> tuple[Notice, ...]:
    """Read the notices of earlier runs; none where there are none or they cannot be read."""
    try:
        return tuple(
            Notice(
                at=datetime.fromisoformat(row["at"]),
                object=row["object"],
                keys=tuple(row["keys"].split(", ")),
                writer=row["writer"],
                outcome=Outcome(row["outcome"]),
            )
            for row in load_rows(decode_secret(seen).get("notices", "[]") if seen else "[]")
        )
    except (KeyError, TypeError, ValueError, AttributeError, InvalidObject):
        return ()


def render_notices(notices: Iterable[Notice]) -> str:
    """Render the notices as YAML, the newest last."""
    return dump_rows(
        {
            "at": f"{notice.at:%Y-%m-%dT%H:%M:%SZ}",
            "object": notice.object,
            "keys": ", ".join(notice.keys),
            "writer": notice.writer,
            "outcome": notice.outcome.value,
        }
        for notice in notices
    )
