# SPDX-License-Identifier: Apache-2.0
"""The module's own settings and requests, on ModuleConfig `registry`, as an administrator writes them."""

import time

from box import api

_CONFIG = "/apis/deckhouse.io/v1alpha1/moduleconfigs/registry"
_MERGE = "application/merge-patch+json"


def set_module_settings(**settings: str) -> None:
    """Replace `spec.settings` of ModuleConfig `registry` (`stepDeadline="20s"`); none at all: the defaults."""
    body = [{"op": "add", "path": "/spec/settings", "value": settings}]
    api.request("PATCH", _CONFIG, body, "application/json-patch+json")


def request_of_module(name: str) -> None:
    """Annotate ModuleConfig `registry` with a new value for `retry`, `abort`, `finalise` …"""
    note = {f"registry.deckhouse.io/{name}": str(time.time_ns())}
    api.request("PATCH", _CONFIG, {"metadata": {"annotations": note}}, _MERGE)
