# SPDX-License-Identifier: Apache-2.0
"""Where images come from: endpoints, and the bases that image references carry."""

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum

from d8registry.model.secret import Secret

FIXED_HOST = "registry.d8-system.svc:5001"
FIXED_PATH = "/system/deckhouse"


class Scheme(StrEnum):
    """URL scheme of a registry, as Secret deckhouse-registry spells it."""

    HTTP = "http"
    HTTPS = "https"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a registry knows a client by; both empty means anonymous."""

    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))

    def __bool__(self) -> bool:
        return bool(self.username)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The prefix that image references carry: `host[:port]` and `/path` (empty path allowed)."""

    host: str
    path: str

    def __str__(self) -> str:
        return self.host + self.path

    def build_reference(self, tag_or_digest: str) -> str:
        """Put a tag (`:v1`), a digest (`@sha256:…`), a bare one of either, or `/sub:v1` behind this base."""
        if tag_or_digest.startswith((":", "@", "/")):
            return f"{self}{tag_or_digest}"
        return f"{self}@{tag_or_digest}" if ":" in tag_or_digest else f"{self}:{tag_or_digest}"


FIXED_BASE = Base(host=FIXED_HOST, path=FIXED_PATH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One registry as a client reaches it.

    `host` is `name[:port]`, `path` starts with `/` (or is empty), `ca` is PEM or empty.
    """

    host: str
    path: str
    scheme: Scheme = Scheme.HTTPS
    ca: str = ""
    credentials: Credentials = field(default_factory=Credentials)

    @property
    def base(self) -> Base:
        """The base that references to this very registry carry."""
        return Base(host=self.host, path=self.path)

    @property
    def repository(self) -> str:
        """The repository without its leading slash, as the distribution API spells it."""
        return self.path.strip("/")

    @property
    def fingerprint(self) -> str:
        """Name this endpoint without telling its password: 16 hex digits over all of its fields."""
        text = json.dumps(
            [
                self.scheme,
                self.host,
                self.path,
                self.ca,
                self.credentials.username,
                self.credentials.password.value,
            ]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def normalise_ca(text: str) -> str:
    """Write PEM one way, whatever blanks and line ends it came with; empty stays empty."""
    lines = text.replace("\r\n", "\n").strip()
    return f"{lines}\n" if lines else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An endpoint that answers a base on a node; `rewrite` when the paths differ."""

    base: Base
    endpoint: Endpoint

    @property
    def rewrite(self) -> tuple[str, str] | None:
        """The repository rewrite (regular expression, replacement), or None where the paths agree."""
        if self.base.path == self.endpoint.path:
            return None
        return f"^{self.base.path.strip('/')}", self.endpoint.repository
