# SPDX-License-Identifier: Apache-2.0
"""Who asked which registry for what, with which account: one line of JSON a request, the same for every registry.

A password is never written. `credential` is a short keyed hash of what was shown (user and password), so that two
passwords of one user can be told apart by whoever knows them.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

_PATH = re.compile(r"^/v2/(?P<repository>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/?]+)$")
CREDENTIAL_CLAIM = "box_credential"


class Kind(StrEnum):
    """What was asked for."""

    MANIFEST = "manifest"
    BLOB = "blob"
    TOKEN = "token"  # noqa: S105 - a word of the protocol
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request, when its answer was complete.

    `account` is the name that the client showed, empty for nobody; `refused` says that it was not let in with it.
    `sent` counts the bytes of the body. `fault` names the planted fault that answered.
    """

    time: datetime
    registry: str
    remote: str
    account: str
    credential: str
    refused: bool
    method: str
    kind: Kind
    repository: str
    reference: str
    uri: str
    status: int
    sent: int = 0
    agent: str = ""
    fault: str = ""

    @property
    def ok(self) -> bool:
        """Whether the registry answered with what was asked for, or said where it is."""
        return 200 <= self.status < 400

    def describe(self) -> str:
        """One line for people."""
        who = self.account or "nobody"
        what = f"{self.method} {self.uri}"
        refused = ", refused" if self.refused else ""
        return f"{self.time:%H:%M:%S.%f} {self.registry} {self.remote} as {who}{refused}: {what} -> {self.status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Who a client says it is."""

    account: str = ""
    credential: str = ""


def render_entry(entry: Entry) -> str:
    """Write an entry as one line of JSON."""
    content = {**asdict(entry), "time": entry.time.isoformat()}
    return json.dumps(content, separators=(",", ":"), sort_keys=True) + "\n"


def parse_journal(text: str) -> tuple[Entry, ...]:
    """Read entries in their order; a last line that is still being written is left out."""
    return tuple(_parse_line(line) for line in text.split("\n")[:-1])


def read_journals(folders: Iterable[Path]) -> tuple[Entry, ...]:
    """Read the journals of registries below their folders, in the order of time."""
    entries: list[Entry] = []
    for folder in folders:
        for path in sorted(folder.glob("*.journal")):
            entries += parse_journal(path.read_text(encoding="utf-8"))
    return tuple(sorted(entries, key=lambda one: one.time))


def split_path(path: str) -> tuple[Kind, str, str]:
    """Tell kind, repository and reference of a request's path."""
    found = _PATH.match(path)
    if not found:
        return Kind.OTHER, "", ""
    return Kind(found["kind"].removesuffix("s")), found["repository"], found["reference"]


def compute_credential(salt: bytes, user: str, password: str) -> str:
    """Hash a login so that it can be recognised and not be found out."""
    return hmac.new(salt, f"{user}\0{password}".encode(), hashlib.sha256).hexdigest()[:16]


def read_shown(authorization: str, salt: bytes) -> Shown:
    """Tell who shows this Authorization header; what cannot be read counts as an account of its own name."""
    scheme, _, value = authorization.partition(" ")
    if not value:
        return Shown()
    if scheme.lower() == "basic":
        login = read_basic(authorization)
        return Shown(account=login[0], credential=compute_credential(salt, *login)) if login else _UNREADABLE
    claims = _read_claims(value.strip()) if scheme.lower() == "bearer" else None
    if claims is None:
        return _UNREADABLE
    return Shown(account=str(claims.get("sub", "")), credential=str(claims.get(CREDENTIAL_CLAIM, "")))


def read_basic(authorization: str) -> tuple[str, str] | None:
    """User and password of a Basic header; None where it is none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None


_UNREADABLE = Shown(account="(unreadable)")


def _read_claims(token: str) -> Mapping[str, Any] | None:
    """Claims of a JSON Web Token, unverified: the registry behind verifies, here it is only told who asks."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def _parse_line(line: str) -> Entry:
    content = json.loads(line)
    moment = datetime.fromisoformat(content.pop("time")).astimezone(UTC)
    return Entry(**{**content, "time": moment, "kind": Kind(content["kind"])})
