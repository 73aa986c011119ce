# SPDX-License-Identifier: Apache-2.0
"""One key of one Secret in d8-system: how a hook binds to it and reads it."""

import base64
from collections.abc import Mapping
from typing import Any

from d8registry.kube.operations import NAMESPACE

FILTER = "{{metadata: {{name: .metadata.name, annotations: .metadata.annotations}}, data: {{{key}: .data.{key}}}}}"


def build_binding(name: str, secret: str, key: str, queue: str, *, wakes: bool) -> dict[str, Any]:
    """Build the binding; `wakes`: a change runs the hook.

    The operator's start does not run the hook, its schedule does a little later: Helm must never wait for a network.
    """
    return {
        "name": name,
        "apiVersion": "v1",
        "kind": "Secret",
        "nameSelector": {"matchNames": [secret]},
        "namespace": {"nameSelector": {"matchNames": [NAMESPACE]}},
        "jqFilter": FILTER.format(key=key),
        "keepFullObjectsInMemory": False,
        "executeHookOnSynchronization": False,
        "executeHookOnEvent": ["Added", "Modified"] if wakes else [],
        "group": "main",
        "queue": queue,
    }


def build_hook_config(queue: str, crontab: str, asked: tuple[str, str], answered: tuple[str, str]) -> dict[str, Any]:
    """Build the configuration of a hook that answers one key of a Secret with one key of another.

    `asked` and `answered` are (Secret, key); they become the bindings of the same names. `crontab` has seconds first.
    """
    return {
        "configVersion": "v1",
        "schedule": [{"name": "again", "crontab": crontab, "group": "main", "queue": queue}],
        "kubernetes": [
            build_binding("asked", *asked, queue, wakes=True),
            build_binding("answered", *answered, queue, wakes=False),
        ],
    }


def read_text(seen: Mapping[str, Any] | None, key: str) -> str:
    """Decode one key of a filter result; empty where Secret or key is missing."""
    return base64.b64decode(((seen or {}).get("data") or {}).get(key) or "").decode()
