# SPDX-License-Identifier: Apache-2.0
"""The cluster as it is, for eyes: mode, address, nodes, images by base. Pure but for the reading."""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from box.watch.api import Api
from box.watch.view import STATE_PATH, read_view

PLATFORM_SECRET = "/api/v1/namespaces/d8-system/secrets/deckhouse-registry"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulling:
    """What Secret deckhouse-registry says besides credentials."""

    scheme: str
    address: str
    path: str


def read_pulling(secret: Mapping[str, Any]) -> Pulling:
    """Read address, path and scheme."""
    data = {key: base64.b64decode(value).decode() for key, value in secret["data"].items() if key != "ca"}
    return Pulling(scheme=data["scheme"], address=data["address"], path=data["path"])


def count_bases(pods: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Count containers by the base of their image reference."""
    return Counter(
        container["image"].partition("@")[0].rpartition(":")[0] or container["image"]
        if "@" not in container["image"]
        else container["image"].partition("@")[0]
        for pod in pods
        for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    )


def render_cluster(api: Api) -> str:
    """Mode, address, nodes and images in a few lines, without any secret."""
    view = read_view(api.find(STATE_PATH))
    pulling = read_pulling(api.fetch(PLATFORM_SECRET))
    lines = [
        f"mode                {view.mode or 'Unmanaged (the module has not said anything yet)'}",
        f"platform pulls from {pulling.scheme}://{pulling.address}{pulling.path}",
    ]
    for node in api.fetch_items("/api/v1/nodes"):
        conditions = {one["type"]: one["status"] for one in node["status"].get("conditions") or ()}
        info = node["status"].get("nodeInfo") or {}
        group = (node["metadata"].get("labels") or {}).get("node.deckhouse.io/group", "-")
        ready = "Ready" if conditions.get("Ready") == "True" else "not Ready"
        lines.append(
            f"node {node['metadata']['name']:<15}{ready}, group {group}, kubelet {info.get('kubeletVersion')}, "
            f"{info.get('containerRuntimeVersion')}"
        )
    for base, count in sorted(count_bases(api.fetch_items("/api/v1/pods")).items()):
        lines.append(f"containers          {count:>3} from {base}")
    return "\n".join(lines)
