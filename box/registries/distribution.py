# SPDX-License-Identifier: Apache-2.0
"""Distribution, the program behind a front: its configuration, and where its two generations come from."""

import secrets
from pathlib import Path
from typing import Any

from box.images.debian import Report, fetch_packages
from box.registries.catalogue import Login, Program, Registry
from box.registries.files import RegistryFiles


def fetch_debian(cache: Path, report: Report) -> Path:
    """Return Debian's docker-registry 2.8, fetched into the cache at the first call."""
    return fetch_packages(cache, ["docker-registry"], report) / "root/usr/bin/docker-registry"


def build_config(registry: Registry, files: RegistryFiles) -> dict[str, Any]:
    """Return the configuration (JSON is YAML): read-only, on a Unix socket, logins as the registry wants them."""
    return {
        "version": "0.1",
        "log": {"level": "warn", "formatter": "json", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(files.storage)},
            "maintenance": {"readonly": {"enabled": True}, "uploadpurging": {"enabled": False}},
        },
        "auth": _build_auth(registry, files),
        "http": {"net": "unix", "addr": str(files.backend), "secret": secrets.token_hex(16)},
    }


def build_command(registry: Registry, files: RegistryFiles, debian: Path, distribution: Path | None) -> list[str]:
    """The command that serves the configuration."""
    if registry.program is Program.DEBIAN:
        return [str(debian), "serve", str(files.folder / "config.yml")]
    return [str(distribution), "serve", str(files.folder / "config.yml")]


def _build_auth(registry: Registry, files: RegistryFiles) -> dict[str, Any]:
    if registry.login is Login.BASIC:
        return {"htpasswd": {"realm": registry.name, "path": str(files.htpasswd)}}
    return {
        "token": {
            "realm": f"https://{registry.token_host}/token",
            "service": registry.host,
            "issuer": registry.token_host,
            "jwks": str(files.jwks),
            "signingalgorithms": ["ES256"],
        }
    }
