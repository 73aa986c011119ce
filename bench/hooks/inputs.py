# SPDX-License-Identifier: Apache-2.0
"""The operator's files for one run of the reconcile hook in a cluster at rest in Direct, of any number of nodes."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.memory_cluster import MemoryCluster, direct

IMAGES = 400
_REPORT: dict[str, Any] = {
    "program": "1",
    "class": "",
    "message": "",
    "customConfig": False,
    "dialMilliseconds": 3,
    "bootID": "0f3a1c9e-5b7d-4a2e-8c61-2f9d7be0a514",
    "at": "2026-11-23T12:00:00Z",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Texts of BINDING_CONTEXT_PATH and VALUES_PATH."""

    contexts: str
    values: str

    def write(self, folder: Path) -> dict[str, str]:
        """Write all files of a run into `folder`: the environment that names them."""
        texts = {
            "BINDING_CONTEXT_PATH": self.contexts,
            "VALUES_PATH": self.values,
            "CONFIG_VALUES_PATH": '{"global":null,"registry":null}',
            "METRICS_PATH": "",
            "KUBERNETES_PATCH_PATH": "",
            "VALUES_JSON_PATCH_PATH": "",
            "CONFIG_VALUES_JSON_PATCH_PATH": "",
        }
        for name, text in texts.items():
            (folder / name).write_text(text)
        return {name: str(folder / name) for name in texts}


def build_cluster(nodes: int) -> MemoryCluster:
    """Build a cluster at rest in Direct whose every node has reported."""
    cluster = MemoryCluster(digests=build_digests())
    cluster.now = datetime.now(UTC).replace(microsecond=0)  # the hook's process goes by the real clock
    cluster.settle()
    cluster.report(**_REPORT)
    cluster.edit(direct())
    for _ in range(60):
        cluster.settle()
        if cluster.text("registry-state", "mode") == "Direct" and not cluster.step():
            break
        cluster.world()
        cluster.wait(5)
    else:
        raise AssertionError(f"the switch did not end: {cluster.condition('Ready')}")
    for number in range(3, nodes):
        cluster.join(f"worker-{number:05}.example.internal")
    cluster.report(**_REPORT)
    cluster.settle()
    return cluster


def build_inputs(cluster: MemoryCluster) -> Inputs:
    """Build the files of a run that one of the cluster's objects woke, written as the operator writes them."""
    run = cluster.read()
    snapshots = {name: [{"filterResult": item} for item in items] for name, items in run.snapshots.items()}
    context = {"binding": "nodes", "groupName": "main", "snapshots": snapshots, "type": "Group"}
    return Inputs(contexts=_dump([context]), values=_dump({"global": run.global_values, "registry": run.values}))


def build_digests() -> dict[str, dict[str, str]]:
    """Build as many images as a platform has, a handful a module."""
    digests = {"registry": {"inclusterProxy": "sha256:" + "2" * 64, "inclusterProxyAuth": "sha256:" + "3" * 64}}
    for number in range(IMAGES):
        module = digests.setdefault(f"module{number // 5:03}", {})
        module[f"image{number % 5}"] = f"sha256:{number:064x}"
    return digests


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
