# SPDX-License-Identifier: Apache-2.0
"""The module's own settings and requests, on ModuleConfig `registry`, as an administrator writes them."""

import time

from box import api
from box.errors import BoxError

_CONFIGS = "/apis/deckhouse.io/v1alpha1/moduleconfigs"
_CONFIG = f"{_CONFIGS}/registry"
_MERGE = "application/merge-patch+json"


def set_module_settings(**settings: str) -> None:
    """Replace `spec.settings` of ModuleConfig `registry` (`stepDeadline="20s"`); none at all: the defaults."""
    _ensure()
    body = [{"op": "add", "path": "/spec/settings", "value": settings}]
    api.request("PATCH", _CONFIG, body, "application/json-patch+json")


def request_of_module(name: str) -> None:
    """Annotate ModuleConfig `registry` with a new value for `retry`, `abort`, `finalise` …"""
    _ensure()
    note = {f"registry.deckhouse.io/{name}": str(time.time_ns())}
    api.request("PATCH", _CONFIG, {"metadata": {"annotations": note}}, _MERGE)


def _ensure() -> None:
    """Create ModuleConfig `registry` where there is none: the platform enables the module without it."""
    try:
        api.request("GET", _CONFIG)
    except BoxError as error:
        if ": 404 " not in str(error):
            raise
        head = {"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "registry"}}
        api.request("POST", _CONFIGS, {**head, "spec": {"enabled": True, "version": 1, "settings": {}}})
