# SPDX-License-Identifier: Apache-2.0
"""Kubeconfig files for programs of the box."""

import base64
import json
from pathlib import Path

from box.certificates import KeyPair
from box.layout import API_URL


def render_kubeconfig(authority: Path, pair: KeyPair, user: str) -> str:
    """Return a kubeconfig (JSON is YAML) that holds CA, certificate and key itself."""

    def encode(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    credentials = {
        "client-certificate-data": encode(pair.certificate),
        "client-key-data": encode(pair.key),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "box", "cluster": {"server": API_URL, "certificate-authority-data": encode(authority)}}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "box", "context": {"cluster": "box", "user": user}}],
        "current-context": "box",
    }
    return json.dumps(content, indent=2) + "\n"


def write_kubeconfig(path: Path, authority: Path, pair: KeyPair, user: str) -> Path:
    """Write a kubeconfig with mode 0600 and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(render_kubeconfig(authority, pair, user), encoding="utf-8")
    return path
