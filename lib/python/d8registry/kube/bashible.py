# SPDX-License-Identifier: Apache-2.0
"""Secret `registry-bashible-config`: what node-manager renders node configuration from (platform.md section 4)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from d8registry.model.endpoint import Base, Credentials, Source
from d8registry.model.settings import Mode

NAME = "registry-bashible-config"


def build_config(mode: Mode, base: Base, hosts: Mapping[str, Sequence[Source]], salt: str) -> str:
    """Build the text of key `config`, JSON, which is YAML; `hosts` maps a folder's host to its sources in order.

    `version` names the content, so that equal content is one version; salted, because the platform shows it in an
    annotation of every Node and the content holds passwords.
    """
    body: dict[str, Any] = {
        "mode": mode.value,
        "imagesBase": str(base),
        "proxyEndpoints": [],
        "hosts": {
            host: {"mirrors": [_build_mirror(source) for source in sources]} for host, sources in sorted(hosts.items())
        },
    }
    version = hashlib.sha256((salt + _dump(body)).encode()).hexdigest()[:16]
    return _dump({**body, "version": version})


def _build_mirror(source: Source) -> dict[str, Any]:
    endpoint = source.endpoint
    mirror: dict[str, Any] = {"host": endpoint.host, "scheme": endpoint.scheme.value}
    if endpoint.ca:
        mirror["ca"] = endpoint.ca
    if endpoint.credentials:
        mirror["auth"] = _build_auth(endpoint.credentials)
    if source.rewrite:
        pattern, replacement = source.rewrite
        mirror["rewrites"] = [{"from": pattern, "to": replacement}]
    return mirror


def _build_auth(credentials: Credentials) -> dict[str, str]:
    return {"username": credentials.username, "password": credentials.password.value, "auth": ""}


def _dump(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
