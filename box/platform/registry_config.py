# SPDX-License-Identifier: Apache-2.0
"""Registry settings of nodes as node-manager takes them: `registry-bashible-config`, else `deckhouse-registry`."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from box.platform.registry_secret import RegistrySecret, find_login

NAME = "registry-bashible-config"
FOLDER = "/etc/containerd/registry.d"
_REQUIRED = ("mode", "version", "imagesBase", "hosts")


class BrokenConfigError(Exception):
    """The Secret holds a configuration that node-manager refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """One source of a host; `auth` is base64 of user and password, or empty; `rewrites` are (regexp, replacement)."""

    host: str
    scheme: str
    ca: str = ""
    auth: str = field(default="", repr=False)
    rewrites: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        """The mirror as hosts.toml names it."""
        return f"{self.scheme}://{self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """What nodes are configured from: each host's mirrors in order, or `plain`, one registry without `config_path`."""

    version: str
    hosts: tuple[tuple[str, tuple[Mirror, ...]], ...] = ()
    plain: Mirror | None = None


def parse_registry_config(text: str) -> RegistryConfig:
    """Read key `config`; BrokenConfigError names what node-manager would refuse."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BrokenConfigError(f"Secret {NAME}, key config: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise BrokenConfigError(f"Secret {NAME}, key config: not a mapping")
    for key in _REQUIRED:
        if not content.get(key):
            raise BrokenConfigError(f"Secret {NAME}, key config: {key} is required")
    hosts = []
    for host, values in sorted(content["hosts"].items()):
        mirrors = tuple(_parse_mirror(host, raw) for raw in (values or {}).get("mirrors") or [])
        if not mirrors or len({mirror.url for mirror in mirrors}) != len(mirrors):
            raise BrokenConfigError(f"Secret {NAME}: host {host} needs mirrors, each (host, scheme) once")
        hosts.append((host, mirrors))
    return RegistryConfig(version=str(content["version"]), hosts=tuple(hosts))


def build_unmanaged_config(secret: RegistrySecret) -> RegistryConfig:
    """Build what nodes get while there is no `registry-bashible-config`: the real registry, and no `config_path`."""
    user, password = find_login(secret)
    auth = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
    mirror = Mirror(host=secret.address, scheme=secret.scheme, ca=secret.ca, auth=auth)
    version = hashlib.sha256(repr((mirror.url, mirror.ca, auth, secret.path)).encode()).hexdigest()[:16]
    return RegistryConfig(version=version, plain=mirror)


def render_hosts_toml(host: str, mirrors: tuple[Mirror, ...]) -> str:
    """Render a host's hosts.toml in the platform's own form."""
    lines = ["[host]"]
    for mirror in mirrors:
        lines += ["", f'  [host."{mirror.url}"]', '    capabilities = ["pull", "resolve"]']
        if mirror.scheme == "http":
            lines.append("    skip_verify = true")
        elif mirror.ca:
            lines.append(f'    ca = ["{build_ca_path(host, mirror)}"]')
        if mirror.auth:
            lines += [f'    [host."{mirror.url}".auth]', f'      auth = "{mirror.auth}"']
        for pattern, replacement in mirror.rewrites:
            lines.append(f'    [[host."{mirror.url}".rewrite]]')
            lines += [f"      regex = {_quote(pattern)}", f"      replace = {_quote(replacement)}"]
    return "\n".join(lines) + "\n"


def build_ca_path(host: str, mirror: Mirror) -> str:
    """Where a mirror's CA lies on a node."""
    return f"{FOLDER}/{host}/{mirror.scheme}-{mirror.host}-ca.crt"


def _parse_mirror(host: str, raw: Mapping[str, Any]) -> Mirror:
    for key in ("host", "scheme"):
        if not raw.get(key):
            raise BrokenConfigError(f"Secret {NAME}: a mirror of {host} has no {key}")
    auth = raw.get("auth") or {}
    login = f"{auth.get('username', '')}:{auth.get('password') or ''}".encode()
    return Mirror(
        host=raw["host"],
        scheme=raw["scheme"],
        ca=raw.get("ca") or "",
        auth=base64.b64encode(login).decode() if auth.get("username") else auth.get("auth") or "",
        rewrites=tuple((rule["from"], rule["to"]) for rule in raw.get("rewrites") or []),
    )


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
