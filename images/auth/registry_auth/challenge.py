# SPDX-License-Identifier: Apache-2.0
"""What an upstream asks for: the challenges of WWW-Authenticate (RFC 9110, 11.6.1), and whom its realm may name."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from registry_auth.model import Scheme, Upstream

_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"\s*,?\s*([A-Za-z][A-Za-z0-9_-]*)(?=\s|,|$)(?!\s*=)")
# Second-level names under which countries register: `co.uk` is nobody's own domain.
_SHARED = frozenset({"ac", "co", "com", "edu", "gov", "net", "org"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One scheme with its parameters; the scheme is lower case, parameter names too."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str:
        """Return a parameter, empty if it is not there."""
        return dict(self.parameters).get(name, "")


def parse_challenges(values: Sequence[str]) -> tuple[Challenge, ...]:
    """Parse the values of WWW-Authenticate; what cannot be understood ends the list."""
    challenges: list[Challenge] = []
    for value in values:
        position = 0
        while scheme := _SCHEME.match(value, position):
            position = scheme.end()
            parameters: list[tuple[str, str]] = []
            while parameter := _PARAMETER.match(value, position):
                position = parameter.end()
                quoted, plain = parameter[2], parameter[3]
                text = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                parameters.append((parameter[1].lower(), text))
            challenges.append(Challenge(scheme=scheme[1].lower(), parameters=tuple(parameters)))
    return tuple(challenges)


def choose_challenge(challenges: Sequence[Challenge]) -> Challenge | None:
    """Return the one to answer: Bearer before Basic, None if there is neither."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    return None


def is_realm_allowed(realm: str, upstream: Upstream) -> bool:
    """Say whether our credentials may be sent to a token server.

    It must be the upstream's host, a name below it, or a name in the upstream's parent domain (registry.example.com
    -> auth.example.com, example.com); and HTTPS if the upstream is.
    """
    try:
        split = urlsplit(realm)
        host = (split.hostname or "").rstrip(".")
        _ = split.port
    except ValueError:
        return False
    if split.scheme not in {"http", "https"} or not host or split.username or split.password:
        return False
    if upstream.scheme is Scheme.HTTPS and split.scheme != "https":
        return False
    own = upstream.hostname.lower().rstrip(".")
    if host == own:
        return True
    if _is_address(host) or _is_address(own):
        return False
    if host.endswith(f".{own}"):
        return True
    parent = own.partition(".")[2]
    return _is_own_domain(parent) and (host == parent or host.endswith(f".{parent}"))


def _is_own_domain(domain: str) -> bool:
    labels = domain.split(".")
    if len(labels) < 2:
        return False
    return not (len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _SHARED)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
