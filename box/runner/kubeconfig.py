# SPDX-License-Identifier: Apache-2.0
"""Reading a kubeconfig into a client of the API server."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3
import yaml

from box.runner.errors import RunnerError
from box.runner.httpkube import HttpKube

CONNECTIONS = 64


def connect(kubeconfig: Path) -> HttpKube:
    """Open the current context of a kubeconfig. Raises RunnerError when it cannot be read."""
    try:
        document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
        authority = _material(cluster, "certificate-authority")
        tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
        certificate, key = _material(user, "client-certificate"), _material(user, "client-key")
    except (OSError, KeyError, TypeError, yaml.YAMLError, ssl.SSLError) as error:
        raise RunnerError(f"kubeconfig {kubeconfig} cannot be used: {error!r}; see KUBECONFIG") from error
    if certificate and key:
        _load_pair(tls, certificate, key)
    headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}
    pool = urllib3.PoolManager(maxsize=CONNECTIONS, ssl_context=tls, headers=headers)
    return HttpKube(cluster["server"], pool)


def _load_pair(tls: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Give the pair to OpenSSL, which reads it from a file only; the file lives for that moment."""
    descriptor, name = tempfile.mkstemp(prefix="runner-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + b"\n" + key)
        tls.load_cert_chain(name)
    finally:
        Path(name).unlink()


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _material(section: Mapping[str, Any], key: str) -> bytes:
    if data := section.get(f"{key}-data"):
        return base64.b64decode(data)
    return Path(section[key]).read_bytes() if section.get(key) else b""
