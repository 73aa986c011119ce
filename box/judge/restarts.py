# SPDX-License-Identifier: Apache-2.0
"""Which containers and containerds restarted, from looks at the cluster that follow each other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from box.load.pods import LOAD_LABEL

CONTAINERD = "containerd"
_NEW_POD, _IN_PLACE = "in a new pod", "in place"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RunningContainer:
    """One container of a pod.

    `owner` is the workload that survives the pod (`Deployment d8-system/deckhouse`), with the node for a DaemonSet's:
    a pod on another node is no restart of it.
    """

    owner: str
    pod_uid: str
    name: str
    restarts: int
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Containers of the cluster, and the identity (pid and start time) of each node's containerd, empty when down."""

    at: datetime
    containers: tuple[RunningContainer, ...]
    containerds: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """One restart, as late as it was seen; `owner` is a workload, or `containerd on <node>`."""

    at: datetime
    owner: str
    container: str
    how: str
    node: str

    @property
    def is_in_place(self) -> bool:
        """Whether what ran before ran there too: no new pod was made for it."""
        return self.how != _NEW_POD

    def describe(self) -> str:
        """In words."""
        return f"{self.owner} container {self.container}: {self.how}" if self.container else self.owner


class History:
    """Everything that was seen running, and the restarts among it."""

    def __init__(self) -> None:
        self._restarts: dict[tuple[str, str], int] = {}
        self._owners: set[tuple[str, str]] = set()
        self._containerds: dict[str, str] = {}
        self._found: list[Restart] = []

    def add(self, look: Look) -> None:
        """Compare a look with all before it; the first one only says what is there."""
        known = set(self._owners)
        for one in look.containers:
            key = (one.pod_uid, one.name)
            was = self._restarts.get(key)
            if was is None and (one.owner, one.name) in known:
                self._note(look, one, _NEW_POD)
            if one.restarts > (was or 0) and (was is not None or (one.owner, one.name) in known):
                for _ in range(one.restarts - (was or 0)):
                    self._note(look, one, _IN_PLACE)
            self._restarts[key] = max(one.restarts, was or 0)
            self._owners.add((one.owner, one.name))
        for node, identity in look.containerds.items():
            if not identity:
                continue
            if self._containerds.get(node, identity) != identity:
                owner = f"{CONTAINERD} on {node}"
                self._found.append(Restart(at=look.at, owner=owner, container="", how=_IN_PLACE, node=node))
            self._containerds[node] = identity

    def list_restarts(self) -> tuple[Restart, ...]:
        """All restarts so far."""
        return tuple(self._found)

    def _note(self, look: Look, one: RunningContainer, how: str) -> None:
        self._found.append(Restart(at=look.at, owner=one.owner, container=one.name, how=how, node=one.node))


def read_containers(pods: Iterable[Mapping[str, Any]]) -> tuple[RunningContainer, ...]:
    """Read the containers of pods (API objects), the load's own pods left out."""
    found = []
    for pod in pods:
        meta = pod["metadata"]
        if LOAD_LABEL in (meta.get("labels") or {}):
            continue
        found += [
            RunningContainer(
                owner=_name_owner(pod),
                pod_uid=meta["uid"],
                name=one["name"],
                restarts=int(one.get("restartCount", 0)),
                node=_read_node(pod),
            )
            for one in (pod.get("status") or {}).get("containerStatuses") or ()
        ]
    return tuple(sorted(found))


def _name_owner(pod: Mapping[str, Any]) -> str:
    meta = pod["metadata"]
    owner = next((one for one in meta.get("ownerReferences") or () if one.get("controller")), None)
    if owner is None:
        return f"Pod {meta['namespace']}/{meta['name']}"
    kind, name = owner["kind"], owner["name"]
    template = (meta.get("labels") or {}).get("pod-template-hash")
    if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
        kind, name = "Deployment", name.removesuffix(f"-{template}")
    where = f" on {_read_node(pod)}" if kind == "DaemonSet" else ""
    return f"{kind} {meta['namespace']}/{name}{where}"


def _read_node(pod: Mapping[str, Any]) -> str:
    name: str = (pod.get("spec") or {}).get("nodeName", "")
    return name
