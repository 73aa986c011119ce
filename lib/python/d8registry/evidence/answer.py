# SPDX-License-Identifier: Apache-2.0
"""Secret registry-evidence: what was found."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from d8registry.errors import InvalidObject

NAME = "registry-evidence"
KEY = "evidence"
KEPT_NAMES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Objects as `Kind namespace/name`, sorted.

    `platform` and `users` refer to the old base; `copies` are the platform's pull secrets that differ from the
    original; `real_host` names the old registry at all; `in_use` holds (digest or tag, object) of what is below the
    asked base now, `seen` every digest or tag that was there since the question was put: pods come and go, and a
    question about those of the moment would never be answered in time. Not `complete`: the API failed on the way
    (`message`), so nothing follows from what the lists lack.
    """

    key: str
    at: datetime
    complete: bool = True
    message: str = ""
    platform: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    real_host: tuple[str, ...] = ()
    in_use: tuple[tuple[str, str], ...] = ()
    seen: tuple[str, ...] = ()


def remember_seen(evidence: Evidence, before: Evidence | None) -> Evidence:
    """Keep what earlier answers to the same question saw in use."""
    known = before.seen if before is not None and before.key == evidence.key else ()
    return replace(evidence, seen=tuple(sorted({*known, *(reference for reference, _ in evidence.in_use)})))


def limit_names(names: Iterable[str]) -> tuple[str, ...]:
    """Sort names for an answer; of very many the first ones and their number, as a Secret holds a megabyte at most."""
    ordered = sorted(names)
    rest = len(ordered) - KEPT_NAMES
    return tuple(ordered[:KEPT_NAMES]) + ((f"and {rest} more",) if rest > 0 else ())


def render_evidence(evidence: Evidence) -> str:
    """Build the JSON text of key `evidence`."""
    item = {
        "key": evidence.key,
        "at": evidence.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "complete": evidence.complete,
        "message": evidence.message,
        "platform": list(evidence.platform),
        "users": list(evidence.users),
        "copies": list(evidence.copies),
        "realHost": list(evidence.real_host),
        "inUse": [list(pair) for pair in evidence.in_use],
        "seen": list(evidence.seen),
    }
    return json.dumps(item, separators=(",", ":"))


def parse_evidence(text: str) -> Evidence | None:
    """Read key `evidence`; None where there is no text. Raises InvalidObject."""
    if not text:
        return None
    try:
        item = json.loads(text)
        return Evidence(
            key=item["key"],
            at=datetime.fromisoformat(item["at"]),
            complete=item["complete"],
            message=item["message"],
            platform=tuple(item["platform"]),
            users=tuple(item["users"]),
            copies=tuple(item["copies"]),
            real_host=tuple(item["realHost"]),
            in_use=tuple((reference, owner) for reference, owner in item["inUse"]),
            seen=tuple(item["seen"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidObject(
            f"Secret d8-system/{NAME}: key {KEY} is not what this release writes ({type(error).__name__}: {error}); "
            f"delete the Secret, it is collected again: kubectl -n d8-system delete secret {NAME}"
        ) from error
