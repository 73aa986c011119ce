# SPDX-License-Identifier: Apache-2.0
"""What is shown after Ready: pulls on every node, clean nodes, a client through the Service, no secret in a log."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from box.demo.client import build_client_pod, read_client
from box.demo.folders import judge_folders
from box.demo.summary import Proof
from box.errors import BoxError
from box.images import ImageSet
from box.inventory import read_nodes
from box.judge.leaks import find_leaks
from box.load.bases import FIXED_BASE
from box.load.imagery import LoadImage, find_smallest_layer
from box.load.node import read_folders, read_texts
from box.load.puller import Puller
from box.load.pulls import Judgement, Role, judge_pulls
from box.registries.journal import Kind
from box.registries.running import read_journal
from box.watch.api import Absent, Api

_CLIENT_SECONDS = 40.0
_LOG_SECONDS = 1.0  # what the registry may take to write a line


def prove_pulls(puller: Puller, images: Sequence[LoadImage]) -> Proof:
    """On every node a new pod of each platform namespace, pulled from the fixed address."""
    jobs = [(node, number) for node in read_nodes() for number in (0, 1)]
    with ThreadPoolExecutor(len(read_nodes())) as pool:
        pulls = list(pool.map(lambda job: puller.pull(job[0], images[job[1]], job[1], Role.NEW), jobs))
    time.sleep(_LOG_SECONDS)
    judged: Judgement = judge_pulls(pulls, read_journal())
    problems = [pull.describe() for pull in judged.failed]
    problems += [f"{pull.describe()}: {why}" for pull, why in judged.uncounted]
    places = sorted({f"{pull.node}/{pull.namespace}" for pull in judged.counted})
    return Proof(
        name="new pods on every node pull from the fixed address",
        problems=tuple(problems),
        detail=f"{len(judged.counted)} of {len(jobs)}: {', '.join(places)}",
    )


def prove_folders(real_host: str, known: Mapping[str, frozenset[str]], secrets: Sequence[str]) -> Proof:
    """On every node one source under the fixed address, and no credential anywhere else below /etc."""
    problems = []
    for node in read_nodes():
        own = known.get(node.name, frozenset())
        found = judge_folders(read_folders(node), real_host, own, secrets)
        problems += [f"{node.name}: registry.d: {text}" for text in found]
        texts = read_texts({"/etc": node.disk / "etc"})
        elsewhere = {name: text for name, text in texts.items() if not name.startswith("/etc/containerd/registry.d/")}
        problems += [f"{node.name}: {name} holds a registry credential" for name in find_leaks(elsewhere, secrets)]
    return Proof(
        name="no old credential and no second source on any node",
        problems=tuple(problems),
        detail=f"{len(read_nodes())} nodes looked at",
    )


def prove_client(api: Api, image_set: ImageSet, digest: str) -> Proof:
    """A client in a pod fetches a manifest and a blob through the Service, seen by the registry as well."""
    name = "demo-client"
    path = "/api/v1/namespaces/d8-system/pods"
    layer = find_smallest_layer(image_set.storage, digest)
    image = image_set.digest("registry", "inclusterProxyAuth")
    api.delete_now(f"{path}/{name}")
    began = datetime.now(UTC)
    api.request("POST", path, build_client_pod(name, FIXED_BASE.build_reference(image), digest, layer))
    try:
        problems, detail = _await_client(api, f"{path}/{name}")
    finally:
        api.delete_now(f"{path}/{name}")
    time.sleep(_LOG_SECONDS)
    seen = [one for one in read_journal() if one.time >= began and one.ok]
    if not problems:
        proxies = _list_proxies(api)
        for kind, reference in ((Kind.MANIFEST, digest), (Kind.BLOB, layer)):
            if not any(one.kind is kind and one.reference == reference and one.remote in proxies for one in seen):
                problems += (f"the registry logged no {kind} request for {reference} from {', '.join(proxies)}",)
    return Proof(name="a client in a pod reads through the Service by name", problems=problems, detail=detail)


def _await_client(api: Api, path: str) -> tuple[tuple[str, ...], str]:
    deadline = time.monotonic() + _CLIENT_SECONDS
    while time.monotonic() < deadline:
        try:
            found = read_client(api.fetch(path))
        except Absent as error:
            raise BoxError(f"somebody removed the client pod: {error}") from error
        if found:
            return found
        time.sleep(0.3)
    return (f"the client pod did not end in {_CLIENT_SECONDS:.0f} s",), ""


def _list_proxies(api: Api) -> tuple[str, ...]:
    pods = api.fetch_items("/api/v1/namespaces/d8-system/pods", labelSelector="app=registry-incluster-proxy")
    found = {pod["status"].get(key, "") for pod in pods for key in ("podIP", "hostIP")}
    return tuple(sorted(found - {""}))
