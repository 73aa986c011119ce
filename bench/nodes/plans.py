# SPDX-License-Identifier: Apache-2.0
"""Plans as a switch of a large cluster writes them, and the requests that the real registry-node sends for them."""

import os
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from d8registry.adapters.certificates import issue_authority
from d8registry.containerd import build_hosts_folder
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials, Endpoint, Source
from d8registry.model.secret import Secret
from d8registry.nodes import Layout, NodePlan, build_layout, build_plan, build_proof
from d8registry.switching.layouts import choose_interval

from tests.support.scratch_node import ScratchNode

FLEET = 5000
INTERVAL = choose_interval(FLEET, is_switching=True)
JITTER = INTERVAL / 20
"""What registry-node sets as RandomizedDelaySec of its timer."""

RECORDED_NODE = "worker-0"
_CA = issue_authority(datetime.now(UTC)).pem
Exchange = list[dict[str, object]]


def build_bench_plan(counter: int, manifest: str, sources: int = 2) -> NodePlan:
    """Build a plan of AddSource: the new source in its place, proven by all, pulled and pinned by masters."""
    hosts = ("registry.old.example.com", "registry.new.example.com")[-sources:]
    folder = build_hosts_folder([_build_source(host) for host in hosts], folder=FIXED_HOST)
    reference = FIXED_BASE.build_reference(manifest)
    proof = build_proof(
        build_hosts_folder([_build_source(hosts[-1])], folder=FIXED_HOST),
        reference=reference,
        address="127.0.0.1:1",
        master_pulls=(reference,),
    )
    return _build_plan(counter, build_layout([folder], [proof]))


def record_exchange(folder: Path) -> dict[str, Exchange]:
    """Let the real program poll, take a new plan, and look after its report; return what it sent each time."""
    folder.mkdir()
    node = ScratchNode(folder=folder)
    try:
        node.keep_shims({"curl"})
        node.publish(build_bench_plan(1, node.manifest, sources=1))
        _run(node)
        node.read_calls()
        _run(node)
        poll = _read_requests(node)
        node.publish(build_bench_plan(2, node.manifest))
        _run(node)
        new_plan = _read_requests(node)
        told = node.root / "run/registry-node/told"
        os.utime(told, (0, 0))
        _run(node)
        return {"poll": poll, "newPlan": new_plan, "stillTold": _read_requests(node)}
    finally:
        node.close()


def _run(node: ScratchNode) -> None:
    done = node.run()
    if done.returncode:
        raise RuntimeError(f"registry-node failed: {done.stderr}")


def _read_requests(node: ScratchNode) -> Exchange:
    """Turn the recorded calls of curl into requests."""
    requests = []
    for call in node.read_calls():
        if call[0] != "curl":
            continue
        request: dict[str, object] = {"method": call[call.index("--request") + 1], "body": ""}
        headers = {"User-Agent": "registry-node/2"}
        for option, value in pairwise(call):
            if option == "--header":
                name, _, text = value.partition(": ")
                headers[name] = text
            elif option == "--data-binary":
                request["body"] = Path(value.removeprefix("@")).read_text()
        path = "/" + call[-1].partition("://")[2].partition("/")[2]
        requests.append({**request, "path": path, "headers": headers})
    return requests


def _build_source(host: str) -> Source:
    login = Credentials(username="license-token", password=Secret("s3cret" * 6))
    return Source(base=FIXED_BASE, endpoint=Endpoint(host=host, path="/deckhouse/ee", ca=_CA, credentials=login))


def _build_plan(counter: int, layout: Layout) -> NodePlan:
    return build_plan(
        counter=counter,
        epoch="3f9c2a1b",
        salt="b3nch",
        interval_seconds=INTERVAL,
        default="steady",
        layouts={"steady": layout},
    )
