# SPDX-License-Identifier: Apache-2.0
"""Queue `main` held by another module, as it happens on the platform: module `neighbour` fails, and is retried.

Two ways, both of them met in the field: a hook that fails on an event, and a chart that does not render.
"""

from enum import StrEnum

from box import api
from box.errors import BoxError

_NAMESPACE = "/api/v1/namespaces/d8-system/configmaps"
_REASON = "neighbour-breaks"
_MERGE = "application/merge-patch+json"


class Way(StrEnum):
    """What of the neighbour breaks."""

    HOOK = "hook"
    CHART = "chart"


def block(way: Way) -> None:
    """Break module `neighbour`; breaking it twice changes nothing."""
    if way is Way.CHART:
        _set_settings("broken: true\n")
        return
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": _REASON, "namespace": "d8-system"}}
    try:
        api.request("POST", _NAMESPACE, body)
    except BoxError as error:
        if "AlreadyExists" not in str(error):
            raise


def unblock() -> None:
    """Mend module `neighbour`, whatever broke it; `main` goes on at its next retry, at most 32 s later."""
    _set_settings(None)
    try:
        api.request("DELETE", f"{_NAMESPACE}/{_REASON}")
    except BoxError as error:
        if "NotFound" not in str(error):
            raise


def _set_settings(text: str | None) -> None:
    api.request("PATCH", f"{_NAMESPACE}/addon-operator", {"data": {"neighbour": text}}, _MERGE)
