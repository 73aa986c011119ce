# SPDX-License-Identifier: Apache-2.0
"""Read Nodes, NodeGroups and pods from the filter results of the reconcile hook's bindings."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from d8registry.model.cluster import ContainerdConfig, DeckhousePod, Node, ProxyPod, Witness

WitnessParser = Callable[[str], Witness | None]

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
GROUP = "node.deckhouse.io/group"
CONTAINERD_CONFIG = "node.deckhouse.io/containerd-config-registry"
NODE_REPORT = "registry.deckhouse.io/node-report"
AWAY = "registry.deckhouse.io/away"
CHECKSUM = "checksum/registry-version"
MOUNTED = "registry.deckhouse.io/mounted"

NODE_FILTER = (
    "{name: .metadata.name, labels: (.metadata.labels // {} | with_entries(select(.key | IN("
    f'"{CONTROL_PLANE}", "{GROUP}", "{CONTAINERD_CONFIG}")))), '
    "annotations: (.metadata.annotations // {} | with_entries(select(.key | IN("
    f'"{NODE_REPORT}", "{AWAY}")))), '
    'ready: ([.status.conditions[]? | select(.type == "Ready")] | first | {status, since: .lastTransitionTime})}'
)
POD_FILTER = (
    "{name: .metadata.name, ip: .status.podIP, phase: .status.phase, deleted: (.metadata.deletionTimestamp != null), "
    f'checksum: .metadata.annotations["{CHECKSUM}"], mounted: .metadata.annotations["{MOUNTED}"], '
    "images: [.spec.containers[]?, .spec.initContainers[]? | .image], "
    'ready: ([.status.conditions[]? | select(.type == "Ready")] | first | .status)}'
)
# A pod that was evicted, or shut down with its node, stays as an object for days.
_ENDED = ("Failed", "Succeeded")
GROUP_FILTER = "{name: .metadata.name, cri: .spec.cri.type}"


def read_nodes(entries: Iterable[Mapping[str, Any]], parse_witness: WitnessParser) -> tuple[Node, ...]:
    """Read Nodes (results of NODE_FILTER), sorted by name."""
    nodes = (_read_node(entry, parse_witness) for entry in entries)
    return tuple(sorted(nodes, key=lambda node: node.name))


def _read_node(entry: Mapping[str, Any], parse_witness: WitnessParser) -> Node:
    labels, annotations = entry.get("labels") or {}, entry.get("annotations") or {}
    ready = entry.get("ready") or {}
    is_ready = ready.get("status") == "True"
    report = annotations.get(NODE_REPORT)
    config = labels.get(CONTAINERD_CONFIG, "")
    return Node(
        name=entry["name"],
        group=labels.get(GROUP, ""),
        is_master=CONTROL_PLANE in labels,
        ready=is_ready,
        away=AWAY in annotations,
        unready_since=None if is_ready else read_time(ready.get("since")),
        containerd_config=ContainerdConfig(config) if config in list(ContainerdConfig) else ContainerdConfig.CUSTOM,
        witness=parse_witness(report) if report else None,
    )


def read_groups(entries: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Read NodeGroups (results of GROUP_FILTER) as (name, CRI type), sorted."""
    return tuple(sorted((entry["name"], entry.get("cri") or "") for entry in entries))


def read_deckhouse_pods(entries: Iterable[Mapping[str, Any]]) -> tuple[DeckhousePod, ...]:
    """Read the pods of deckhouse-controller (results of POD_FILTER), sorted by name."""
    pods = (
        DeckhousePod(
            name=entry["name"],
            checksum=entry.get("checksum") or "",
            ready=entry.get("ready") == "True" and not entry.get("deleted"),
            is_leaving=bool(entry.get("deleted")),
        )
        for entry in entries
        if entry.get("phase") not in _ENDED
    )
    return tuple(sorted(pods, key=lambda pod: pod.name))


def read_proxy_pods(entries: Iterable[Mapping[str, Any]]) -> tuple[ProxyPod, ...]:
    """Read the proxy's pods that are neither on their way out nor over (results of POD_FILTER), sorted by name."""
    pods = (
        ProxyPod(
            name=entry["name"],
            ip=entry.get("ip") or "",
            ready=entry.get("ready") == "True",
            mounted=entry.get("mounted") or "",
        )
        for entry in entries
        if not entry.get("deleted") and entry.get("phase") not in _ENDED
    )
    return tuple(sorted(pods, key=lambda pod: pod.name))


def read_time(text: str | None) -> datetime | None:
    """Read an RFC 3339 time of the API; None where there is none."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
