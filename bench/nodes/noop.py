# SPDX-License-Identifier: Apache-2.0
"""CPU of a round of registry-node that finds nothing to do, against the real API server."""

import json
import os
import statistics
from pathlib import Path

from bench.nodes.fleet import Api
from bench.nodes.plans import RECORDED_NODE
from tests.support.scratch_node import ScratchNode

ROUNDS = 25


def measure_noop(api: Api, folder: Path) -> float:
    """Let a node take the plan, then poll: the median CPU seconds of a round, with all its children."""
    api.send("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": RECORDED_NODE}})
    pair = api.authority.issue("kubelet", f"system:node:{RECORDED_NODE}", "system:nodes")
    folder.mkdir()
    node = ScratchNode(folder=folder)
    try:
        node.keep_shims(set())
        # The plan's image as the stand-in registry of the scratch node has it.
        api.write_plan(1, manifest=node.manifest)
        config = node.root / "etc/kubernetes/kubelet.conf"
        config.write_text(_render_kubeconfig(api, str(pair.certificate), str(pair.key)))
        first = node.run()
        report = api.send("GET", f"/api/v1/nodes/{RECORDED_NODE}", None)["metadata"]["annotations"]
        told = json.loads(report["registry.deckhouse.io/node-report"])
        if first.returncode or told["result"] != "applied":
            raise RuntimeError(f"registry-node did not take the plan: {told} {first.stderr}")
        return statistics.median(_run(node) for _ in range(ROUNDS))
    finally:
        node.close()


def _run(node: ScratchNode) -> float:
    process = node.start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    out, err = process.communicate()
    if process.returncode or err:
        raise RuntimeError(f"this round was to have nothing to do: {out}{err}")
    return usage.ru_utime + usage.ru_stime


def _render_kubeconfig(api: Api, certificate: str, key: str) -> str:
    cluster = {"server": api.url, "certificate-authority": api.server_ca}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "kubelet", "user": {"client-certificate": certificate, "client-key": key}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "kubelet"}}],
        "current-context": "bench",
    }
    return json.dumps(document)
