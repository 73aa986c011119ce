# SPDX-License-Identifier: Apache-2.0
"""Which containers a switch restarted, from two looks at the cluster."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LOAD_LABEL = "box.d8-registry/demo"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RunningContainer:
    """One container of a pod; `owner` is the workload that survives the pod (`Deployment d8-system/deckhouse`)."""

    owner: str
    pod_uid: str
    name: str
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Containers of the cluster, and the start time of each node's containerd (ticks of /proc, pid)."""

    containers: tuple[RunningContainer, ...]
    containerds: Mapping[str, str]


def read_containers(pods: Iterable[Mapping[str, Any]]) -> tuple[RunningContainer, ...]:
    """Read the containers of pods (API objects), the demo's own pods left out."""
    found = []
    for pod in pods:
        meta = pod["metadata"]
        if LOAD_LABEL in (meta.get("labels") or {}):
            continue
        found += [
            RunningContainer(
                owner=_name_owner(meta), pod_uid=meta["uid"], name=one["name"], restarts=int(one.get("restartCount", 0))
            )
            for one in (pod.get("status") or {}).get("containerStatuses") or ()
        ]
    return tuple(sorted(found))


def compare_looks(before: Look, after: Look) -> tuple[str, ...]:
    """List what restarted: containerds, containers in place, and containers whose pod was replaced."""
    found = [
        f"containerd on {node}"
        for node, was in sorted(before.containerds.items())
        if after.containerds.get(node) != was
    ]
    old = {(one.pod_uid, one.name): one for one in before.containers}
    known_owners = {(one.owner, one.name) for one in before.containers}
    for one in after.containers:
        was = old.get((one.pod_uid, one.name))
        if was is not None and one.restarts > was.restarts:
            found.append(f"{one.owner} container {one.name}: {one.restarts - was.restarts} times in place")
        elif was is None and (one.owner, one.name) in known_owners:
            found.append(f"{one.owner} container {one.name}: in a new pod")
    return tuple(found)


def _name_owner(meta: Mapping[str, Any]) -> str:
    owner = next((one for one in meta.get("ownerReferences") or () if one.get("controller")), None)
    if owner is None:
        return f"Pod {meta['namespace']}/{meta['name']}"
    kind, name = owner["kind"], owner["name"]
    template = (meta.get("labels") or {}).get("pod-template-hash")
    if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
        kind, name = "Deployment", name.removesuffix(f"-{template}")
    return f"{kind} {meta['namespace']}/{name}"
