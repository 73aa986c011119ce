# SPDX-License-Identifier: Apache-2.0
"""Five thousand nodes against the real API server: how long a new plan takes to reach them, and what that costs.

The API server authorises by Node and RBAC with NodeRestriction, the Role is the chart's, the Nodes are as large as a
kubelet's. Not simulated: the kubelets' own traffic (leases, status), and watchers other than one (the operator's).
"""

import json
import math
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from d8registry.nodes import render_plan

from bench.nodes.machine import find_child, read_cpu_seconds
from bench.nodes.plans import FLEET, INTERVAL, JITTER, RECORDED_NODE, build_bench_plan, record_exchange
from box.certificates import Authority
from tests.support.control_plane import TOKEN, control_plane, find_binary

ROOT = Path(__file__).parents[2]
MANIFEST = "sha256:" + "0" * 64
_STEADY_SECONDS = 30
_LIMIT_SECONDS = 150
_PROOF_SECONDS = 0.5
"""What a simulated node waits between reading the plan and its report; the proof itself is measured elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetResult:
    """Seconds from the write of a plan to its report on half and on 99 % of the nodes; CPU in percent of a core."""

    p50: float
    p99: float
    server_cpu: float
    server_cpu_steady: float
    etcd_cpu: float
    generator_cpu: float
    polls_per_second: float
    errors: int


class Api:
    """A real API server with an authority for client certificates; requests of its administrator."""

    def __init__(self, kubeconfig: Path, authority: Authority, folder: Path) -> None:
        cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
        self.url: str = cluster["server"]
        self.server_ca = str(authority.path)
        self.authority = authority
        self.folder = folder
        self._context = ssl.create_default_context(cafile=self.server_ca)

    def send(self, method: str, path: str, body: object) -> Any:
        """Send JSON as the administrator and return the answer."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310
        with urllib.request.urlopen(request, context=self._context, timeout=30) as response:  # noqa: S310
            return json.load(response)

    def write_plan(self, counter: int, *, new: bool = False, manifest: str = MANIFEST) -> None:
        """Create or replace the plan: one of `counter` sources."""
        text = render_plan(build_bench_plan(counter, manifest, sources=counter))
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registry-node-plan"}}
        path = "/api/v1/namespaces/d8-system/secrets"
        self.send(
            "POST" if new else "PUT",
            path if new else f"{path}/registry-node-plan",
            {**secret, "stringData": {"plan": text}},
        )


@contextmanager
def run_api(folder: Path) -> Iterator[Api]:
    """Run etcd and the API server with a namespace, the chart's Role and a first plan."""
    authority = Authority.create(folder / "pki", "nodes")
    pair = authority.issue("apiserver", "kube-apiserver", hosts=["127.0.0.1"])
    flags = [f"--client-ca-file={authority.path}", "--enable-admission-plugins=NodeRestriction", "--profiling=false"]
    flags += [f"--tls-cert-file={pair.certificate}", f"--tls-private-key-file={pair.key}"]
    with control_plane(folder, authorization="Node,RBAC", flags=flags) as kubeconfig:
        api = Api(kubeconfig, authority, folder)
        api.send("POST", "/api/v1/namespaces", {"metadata": {"name": "d8-system"}})
        for item in _render_role():
            kind = {"Role": "roles", "RoleBinding": "rolebindings"}[item["kind"]]
            api.send("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/d8-system/{kind}", item)
        api.write_plan(1, new=True)
        yield api


def _render_role() -> list[dict[str, Any]]:
    """Render what lets nodes read their plan, with the chart's own template."""
    helm = str(find_binary("helm"))
    command = [helm, "template", "registry", str(ROOT), "--show-only", "templates/rbac-to-us.yaml"]
    command += ["--set", "registry.internal.proxy.enabled=false"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = [
        item for item in yaml.safe_load_all(text) if item and item["metadata"]["name"] == "access-to-registry-node-plan"
    ]
    if len(found) != 2:
        raise RuntimeError("the chart renders no Role and RoleBinding access-to-registry-node-plan")
    return found


def measure_fleet(api: Api) -> FleetResult:
    """Let the fleet poll, write a new plan, wait for the reports."""
    program = api.folder / "generator"
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=Path(__file__).parent / "generator", check=True)
    exchange = record_exchange(api.folder / "recorded")
    orders = {
        "server": api.url,
        "serverCA": api.server_ca,
        "ca": str(api.authority.path),
        "caKey": str(api.authority.path.with_suffix(".key")),
        "nodes": FLEET,
        "interval": INTERVAL,
        "jitter": JITTER,
        "proof": _PROOF_SECONDS,
        "recorded": RECORDED_NODE,
        "node": _build_node(),
        **exchange,
    }
    (api.folder / "orders.json").write_text(json.dumps(orders))
    command = [str(program), str(api.folder / "orders.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            return _follow(api, process)
        finally:
            process.kill()


def _follow(api: Api, process: "subprocess.Popen[str]") -> FleetResult:
    assert process.stdout is not None
    assert process.stdin is not None
    pids = [find_child("kube-apiserver"), find_child("etcd"), process.pid]
    if process.stdout.readline() != "ready\n":
        raise RuntimeError("the load generator could not make its nodes")
    print(f"{FLEET} Nodes made, polling every {INTERVAL} s and up to {JITTER:.1f} s", flush=True)
    lines: list[dict[str, Any]] = []
    reader = threading.Thread(target=lambda: lines.extend(json.loads(line) for line in process.stdout or ()))
    reader.start()
    time.sleep(INTERVAL)  # every node has polled once: it knows a plan
    before, started, polls = _read(pids), time.monotonic(), lines[-1]["polls"]
    time.sleep(_STEADY_SECONDS)
    steady, seconds = _read(pids), time.monotonic() - started
    rate = (lines[-1]["polls"] - polls) / seconds
    written, begun = time.time(), time.monotonic()
    api.write_plan(2)
    while lines[-1]["reported"] < math.ceil(FLEET * 0.99) and time.monotonic() - begun < _LIMIT_SECONDS:
        time.sleep(0.5)
    after, window = _read(pids), time.monotonic() - begun
    errors = lines[-1]["errors"]
    process.stdin.close()
    reader.join(60)
    last = lines[-1]
    reports = sorted(at - written for at in last["reports"])
    if len(reports) < math.ceil(FLEET * 0.99):
        raise RuntimeError(f"{len(reports)} of {FLEET} nodes reported in {_LIMIT_SECONDS} s: {last['lastError']}")
    server, etcd, generator = ((end - start) / window * 100 for end, start in zip(after, steady, strict=True))
    return FleetResult(
        p50=reports[FLEET // 2 - 1],
        p99=reports[math.ceil(FLEET * 0.99) - 1],
        server_cpu=server,
        server_cpu_steady=(steady[0] - before[0]) / seconds * 100,
        etcd_cpu=etcd,
        generator_cpu=generator,
        polls_per_second=rate,
        errors=errors,
    )


def _read(pids: list[int]) -> list[float]:
    return [read_cpu_seconds(pid) for pid in pids]


def _build_node() -> dict[str, Any]:
    """Build a Node as large as a kubelet's: conditions, addresses and the fifty images that it lists.

    A real kubelet lists one name for an image that was pulled by its digest, as the platform's are.
    """
    base = "registry.d8-system.svc:5001/system/deckhouse"
    images = [{"names": [f"{base}@sha256:{number:064x}"], "sizeBytes": 50_000_000 + number} for number in range(50)]
    kinds = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    conditions = [
        {
            "type": kind,
            "status": "False",
            "reason": "KubeletHasSufficient",
            "message": "kubelet has sufficient",
            "lastHeartbeatTime": "2026-11-24T12:00:00Z",
            "lastTransitionTime": "2026-11-24T12:00:00Z",
        }
        for kind in kinds
    ]
    resources = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    labels = {"node.deckhouse.io/group": "worker", "kubernetes.io/hostname": RECORDED_NODE, "kubernetes.io/os": "linux"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": RECORDED_NODE,
            "labels": labels,
            "annotations": {"node.deckhouse.io/configuration-checksum": "0" * 64},
        },
        "spec": {"podCIDR": "10.0.0.0/24"},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": "10.0.0.1"},
                {"type": "Hostname", "address": RECORDED_NODE},
            ],
            "nodeInfo": {
                "machineID": "0" * 32,
                "systemUUID": "0" * 36,
                "bootID": "0" * 36,
                "kernelVersion": "6.1.0",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "containerRuntimeVersion": "containerd://2.2.3",
                "kubeletVersion": "v1.34.4",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
            "images": images,
        },
    }
