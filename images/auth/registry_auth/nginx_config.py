# SPDX-License-Identifier: Apache-2.0
"""The text of nginx.conf for an upstream, and the hash by which running workers are recognised.

The only credential near it is the key of the certificate, in a file that the text names.
"""

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from registry_auth.model import Upstream
from registry_auth.routes import FIXED_REPOSITORY

_PLACEHOLDER = re.compile(r"@\{([a-z_0-9]+)\}")
# A request goes on as the client sent it, but for these: its own login and cookies, and who it says it came from.
_FORWARDED = (
    ("Connection", '""'),
    ("Content-Length", '""'),
    ("Cookie", '""'),
    ("Forwarded", '""'),
    ("Proxy-Authorization", '""'),
    ("Upgrade", '""'),
    ("X-Forwarded-For", '""'),
    ("X-Forwarded-Host", '""'),
    ("X-Forwarded-Proto", '""'),
    ("X-Real-IP", '""'),
)
_REFUSED = (
    "proxy_pass http://registry_auth;",
    "proxy_method GET;",
    "proxy_set_header Host registry-auth;",
    'proxy_set_header Connection "";',
    'proxy_set_header Content-Length "";',
    "proxy_set_header X-Question refusal;",
    'proxy_set_header X-Registry-Upstream "@{identity}";',
    "proxy_set_header X-Original-Method $request_method;",
    "proxy_set_header X-Original-URI $request_uri;",
    "proxy_set_header X-Upstream-Status $refusal;",
    "proxy_set_header X-Used-Authorization $upstream_authorization;",
    "proxy_set_header X-Attempt $attempt;",
    "error_page 502 504 @no_decision;",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where nginx runs: folders, ports and what the pod's network has."""

    state: str
    port: int
    auth_port: int
    generation_port: int
    workers: int
    nameservers: tuple[str, ...]
    ipv6: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Paths of PEM files, named by their content."""

    certificate: str
    certificate_key: str
    trusted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NginxConfig:
    """A rendered configuration."""

    text: str
    configuration: str  # the hash that its workers answer with


def render_nginx_config(upstream: Upstream, addresses: Sequence[str], files: Files, place: Place) -> NginxConfig:
    """Return nginx.conf for an upstream at these addresses (without ports, at least one)."""
    if not addresses:
        raise ValueError("no address")
    values = {
        "state": place.state,
        "port": str(place.port),
        "auth_port": str(place.auth_port),
        "generation_port": str(place.generation_port),
        "workers": str(place.workers),
        "identity": upstream.identity,
        "generation": upstream.generation,
        "scheme": upstream.scheme.value,
        "host": upstream.host,
        "hostname": upstream.hostname,
        "repository_pattern": re.escape(upstream.repository),
        "fixed": FIXED_REPOSITORY,
        "certificate": files.certificate,
        "certificate_key": files.certificate_key,
        "trusted": files.trusted,
        "servers": _lines(8, [f"server {_bracketed(a)}:{upstream.port} max_fails=0;" for a in sorted(addresses)]),
        "forwarded_headers": _lines(12, [f"proxy_set_header {name} {value};" for name, value in _FORWARDED]),
        "refused": _lines(12, [line.replace("@{identity}", upstream.identity) for line in _REFUSED]),
        "listen_ipv6": _lines(8, [f"listen [::]:{place.port} ssl;"] if place.ipv6 else []),
        "resolver": _lines(4, _resolver(place)),
    }
    unnamed = _fill(values | {"configuration": ""})
    configuration = hashlib.sha256(unnamed.encode()).hexdigest()[:16]
    return NginxConfig(text=_fill(values | {"configuration": configuration}), configuration=configuration)


def _resolver(place: Place) -> list[str]:
    """Redirects may name any host, so nginx asks the pod's own name servers then."""
    if not place.nameservers:
        return []
    servers = " ".join(_bracketed(server) for server in place.nameservers)
    return [f"resolver {servers} valid=30s{'' if place.ipv6 else ' ipv6=off'};", "resolver_timeout 5s;"]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address


def _lines(indent: int, lines: Sequence[str]) -> str:
    return "\n".join(" " * indent + line for line in lines)


def _fill(values: dict[str, str]) -> str:
    """Put values in place of `@{name}`; nginx has `$name` and `${name}` for its own variables."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], _read_template())


@cache
def _read_template() -> str:
    return files("registry_auth").joinpath("nginx.conf.template").read_text(encoding="utf-8")
