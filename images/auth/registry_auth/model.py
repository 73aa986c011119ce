# SPDX-License-Identifier: Apache-2.0
"""The upstream, the accepted users and the certificate, as the mounted Secrets give them."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from registry_auth.errors import ConfigurationError

_GENERATION = re.compile(r"[0-9A-Za-z._+-]{1,64}")
_HOST = re.compile(r"[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?(:[0-9]{1,5})?")
_PATH = re.compile(r"(/[0-9A-Za-z._-]+)+")


class Scheme(StrEnum):
    """How the upstream is spoken to."""

    HTTP = "http"
    HTTPS = "https"

    @property
    def default_port(self) -> int:
        """The port of a host that names none."""
        return 443 if self is Scheme.HTTPS else 80


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that no repr, log line or message may show."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "<redacted>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The registry that answers the fixed address."""

    generation: str
    scheme: Scheme
    host: str  # with the port, if it is not the scheme's own
    path: str  # leading slash, no trailing one
    ca: str  # PEM, or empty
    username: str  # empty: anonymous
    password: Secret

    @property
    def hostname(self) -> str:
        """The host without its port."""
        return self.host.partition(":")[0]

    @property
    def port(self) -> int:
        """The port, from the host or the scheme."""
        port = self.host.partition(":")[2]
        return int(port) if port else self.scheme.default_port

    @property
    def repository(self) -> str:
        """The path as the distribution API spells a repository."""
        return self.path.removeprefix("/")

    @property
    def identity(self) -> str:
        """Tells one upstream's settings from another's; nothing can be learnt from it about the password."""
        told = [self.generation, self.scheme, self.host, self.path, self.ca, self.username]
        return f"{self.generation}-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One login that clients may use."""

    username: str
    password: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Who may ask the proxy."""

    generation: str
    anonymous: bool
    users: tuple[User, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What nginx serves with, PEM."""

    certificate: str
    key: Secret


def parse_upstream(text: str) -> Upstream:
    """Parse `upstream.json`; raises ConfigurationError that names the field."""
    content = _object(text, "upstream.json")
    scheme = _text(content, "scheme", "upstream.json")
    if scheme not in {"http", "https"}:
        raise ConfigurationError("upstream.json: scheme must be http or https")
    upstream = Upstream(
        generation=_generation(content, "upstream.json"),
        scheme=Scheme(scheme),
        host=_text(content, "host", "upstream.json"),
        path=_text(content, "path", "upstream.json"),
        ca=_text(content, "ca", "upstream.json"),
        username=_text(content, "username", "upstream.json"),
        password=Secret(_text(content, "password", "upstream.json")),
    )
    if not _HOST.fullmatch(upstream.host) or not 0 < upstream.port < 65536:
        raise ConfigurationError("upstream.json: host must be a name or IPv4 address with an optional port")
    if not _PATH.fullmatch(upstream.path):
        raise ConfigurationError("upstream.json: path must be /name[/name...]")
    if ":" in upstream.username or not _is_printable(upstream.username + upstream.password.value):
        raise ConfigurationError("upstream.json: username or password holds characters that Basic cannot carry")
    if upstream.password.value and not upstream.username:
        raise ConfigurationError("upstream.json: a password stands without username")
    return upstream


def parse_users(text: str) -> Users:
    """Parse `users.json`; raises ConfigurationError that names the field."""
    content = _object(text, "users.json")
    if not isinstance(content.get("anonymous"), bool):
        raise ConfigurationError("users.json: anonymous must be true or false")
    entries = content.get("users")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigurationError("users.json: users must be a list of objects")
    users = tuple(
        User(
            username=_text(entry, "username", "users.json users[]"),
            password=Secret(_text(entry, "password", "users.json users[]")),
        )
        for entry in entries
    )
    if any(not user.username or not user.password.value for user in users):
        raise ConfigurationError("users.json: a user without username or password")
    return Users(generation=_generation(content, "users.json"), anonymous=content["anonymous"], users=users)


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        # The parser's own message may quote the text, and the text holds passwords.
        raise ConfigurationError(f"{name}: not JSON") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{name}: not a JSON object")
    return content


def _text(content: dict[str, Any], name: str, where: str) -> str:
    value = content.get(name)
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}: {name} must be a string")
    return value


def _generation(content: dict[str, Any], where: str) -> str:
    generation = _text(content, "generation", where)
    if not _GENERATION.fullmatch(generation):
        raise ConfigurationError(f"{where}: generation must be letters, digits and ._+-")
    return generation


def _is_printable(text: str) -> bool:
    return not any(ord(character) < 32 or ord(character) == 127 for character in text)
