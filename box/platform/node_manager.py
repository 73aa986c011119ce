# SPDX-License-Identifier: Apache-2.0
"""Stand-in for node-manager's hooks on Nodes: role labels of nodes that joined, and approvals of updates."""

from collections.abc import Callable, Mapping
from typing import Any

from box.platform.approvals import APPROVED, GROUP_LABEL, WAITING, decide_approvals, read_candidate
from box.platform.kube import fetch_all
from box.runner.kubeapi import MERGE_PATCH, KubeApi

_ROLE = "node-role.kubernetes.io/"
MASTERS = "master"


class NodeManager:
    """Labels and approves, one level-triggered round at a time."""

    def __init__(
        self, kube: KubeApi, read_checksums: Callable[[], Mapping[str, str]], log: Callable[[str], None]
    ) -> None:
        """`read_checksums` tells what each group of nodes is to have."""
        self._kube = kube
        self._read_checksums = read_checksums
        self._log = log

    def run_round(self) -> None:
        """Look at every Node once; ApiError when the API refuses or is away."""
        nodes = fetch_all(self._kube, "v1", "Node")
        for node in nodes:
            labels = node["metadata"].get("labels") or {}
            if missing := {key: value for key, value in build_roles(labels).items() if key not in labels}:
                self._patch(node["metadata"]["name"], {"labels": missing})
        approvals = decide_approvals(map(read_candidate, nodes), self._read_checksums())
        for name in approvals.used:
            self._patch(name, {"annotations": {APPROVED: None}})
        for name in approvals.given:
            self._patch(name, {"annotations": {APPROVED: "", WAITING: None}})
            self._log(f"Node {name} may update")

    def _patch(self, name: str, metadata: Mapping[str, Any]) -> None:
        self._kube.patch(self._kube.resolve("v1", "Node"), "", name, {"metadata": dict(metadata)}, MERGE_PATCH)


def build_roles(labels: Mapping[str, str]) -> dict[str, str]:
    """The role labels of a node of a group, which a kubelet may not give itself."""
    group = labels.get(GROUP_LABEL)
    if not group:
        return {}
    roles = {f"{_ROLE}{group}": ""}
    return {**roles, f"{_ROLE}control-plane": ""} if group == MASTERS else roles
