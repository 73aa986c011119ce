# SPDX-License-Identifier: Apache-2.0
"""What a dead source and a proof cost, with a real containerd 2.x and a registry over TLS.

Dead: a first source whose packets are lost, behind it one that answers; an image of a config and three layers is pulled
through CRI with the module's hosts.toml, and with the same one as stock containerd would read it (no `dial_timeout`).

Proof: the whole round in which the real registry-node takes a plan with a proof, less a round that takes one without.
The registry is distribution in a process of its own, over TLS, with a token server; the image is like the platform's.
Beside a proof stands a plain `ctr images pull` of such an image, and beside a worker's, which fetches only the manifest
and the smallest layer, also one of an image of that layer alone. A master's proof pulls and pins the whole image, too.

Runs in namespaces of its own and prints JSON.
"""

import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from d8registry.adapters.certificates import issue_authority, issue_certificate
from d8registry.containerd import build_hosts_folder
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials, Endpoint, Source
from d8registry.model.hosts import HostsFolder
from d8registry.model.secret import Secret
from d8registry.nodes import NodePlan, build_layout, build_plan, build_proof

from bench.nodes.registry import RealRegistry, serve_real
from box.images.oci import File, Image, Process, build_image, build_layer
from tests.support import isolated
from tests.support.containerd import Containerd, Generation, run_containerd
from tests.support.pull_registry import PullRegistry, serve
from tests.support.scratch_node import ScratchNode

HOST = "registry.test"
ROUNDS = 5
IMAGE = (2, 6, 16, 40)
"""MiB of the layers of an image like the platform's."""
_STOCK_LIMIT = 240.0
_MIB = 1 << 20
_AUTHORITY = issue_authority(datetime.now(UTC))
_LOGIN = ("u", "p")
_counter = count(1)


def build_fresh_image(*sizes: int) -> Image:
    """Build an image that no round before had, of layers that do not compress."""
    layers = [build_layer({f"layer-{number}": File(content=os.urandom(size))}) for number, size in enumerate(sizes)]
    return build_image(layers, Process(entrypoint=("/a",)))


def _build_folder(*hosts: str) -> HostsFolder:
    login = Credentials(username=_LOGIN[0], password=Secret(_LOGIN[1]))
    sources = [
        Source(base=FIXED_BASE, endpoint=Endpoint(host=host, path="/d/ee", ca=_AUTHORITY.pem, credentials=login))
        for host in hosts
    ]
    return build_hosts_folder(sources, folder=FIXED_HOST, dial_timeout="300ms")


def _write(folder: HostsFolder, hosts: Path, *, stock: bool = False) -> None:
    target = hosts / folder.name
    target.mkdir(parents=True, exist_ok=True)
    for entry in folder.files:
        lines = entry.content.splitlines(keepends=True)
        text = "".join(line for line in lines if not (stock and line.startswith("dial_timeout")))
        (target / entry.name).write_text(text)


def measure_dead_source(containerd: Containerd, registry: PullRegistry, *, stock: bool) -> float:
    """Seconds that a pull of a config and three layers takes behind a dead source."""
    _write(_build_folder("hole.test", HOST), containerd.hosts, stock=stock)
    image = build_fresh_image(*(3 * [_MIB]))
    registry.add(image)
    pull = containerd.pull(FIXED_BASE.build_reference(image.manifest.digest), seconds=_STOCK_LIMIT)
    if pull.error and not stock:
        raise RuntimeError(f"a pull behind a dead source failed: {pull.error}")
    return pull.seconds


class ProofBench:
    """A scratch node with the real ctr."""

    def __init__(self, folder: Path, containerd: Containerd, registry: RealRegistry) -> None:
        self._containerd = containerd
        self._registry = registry
        self._node = ScratchNode(folder=folder)
        self._node.keep_shims(set())
        ctr = folder / "bin/ctr"
        # ctr finds its containerd by CONTAINERD_ADDRESS, which the program does not touch.
        ctr.write_text(
            f"#!/bin/sh\nCONTAINERD_ADDRESS={containerd.folder}/containerd.sock exec"
            f' {containerd.generation.programs}/ctr "$@"\n'
        )

    def close(self) -> None:
        """Stop the API server of the node."""
        self._node.close()

    def take_plan(self, folder: HostsFolder, proven: Image | None, pulls: Sequence[Image] = ()) -> float:
        """Seconds of a round that takes a new plan, with or without a proof."""
        proofs = []
        if proven is not None:
            proofs = [
                build_proof(
                    _build_folder(HOST),
                    reference=FIXED_BASE.build_reference(proven.manifest.digest),
                    address=f"{HOST}:443",
                    master_pulls=[FIXED_BASE.build_reference(each.manifest.digest) for each in pulls],
                )
            ]
        token = self._node.publish(_build_plan(next(_counter), folder, proofs))
        started = time.monotonic()
        done = self._node.run()
        seconds = time.monotonic() - started
        told = self._node.read_witness()
        if done.returncode or getattr(told, "token", "") != token or getattr(told, "result", "") != "applied":
            raise RuntimeError(f"registry-node did not take the plan: {told} {done.stderr}")
        return seconds

    def make_master(self) -> None:
        """Let the node be one of the control plane."""
        self._node.api.labels["node-role.kubernetes.io/control-plane"] = ""

    def measure(self, *, master: bool) -> dict[str, float]:
        """Median seconds of a proof of an image, of a plain pull of the same content, and of one of the whole image."""
        folders = [_build_folder(HOST), _build_folder("hole.test", HOST)]  # taken in turns: each plan changes something
        sizes = [size * _MIB for size in IMAGE]
        proofs, pulls, wholes = [], [], []
        for number in range(ROUNDS):
            proven, whole, smallest = (
                build_fresh_image(*sizes),
                build_fresh_image(*sizes),
                build_fresh_image(min(sizes)),
            )
            for image in (proven, whole, smallest):
                self._registry.add(image)
            without = self.take_plan(folders[number % 2], None)
            with_proof = self.take_plan(folders[1 - number % 2], proven, [proven] if master else [])
            proofs.append(with_proof - without)
            wholes.append(self._pull(whole))
            pulls.append(wholes[-1] if master else self._pull(smallest))
        found = {"proof": proofs, "pull": pulls, "whole": wholes}
        return {what: statistics.median(seconds) for what, seconds in found.items()}

    def _pull(self, image: Image) -> float:
        staged = self._node.folder / "plain"
        _write(_build_folder(HOST), staged)
        started = time.monotonic()
        reference = FIXED_BASE.build_reference(image.manifest.digest)
        done = self._containerd.ctr("images", "pull", "--hosts-dir", str(staged), reference)
        if done.returncode:
            raise RuntimeError(f"a plain pull failed: {done.stderr}")
        return time.monotonic() - started


def _build_plan(counter: int, folder: HostsFolder, proofs: Sequence[object]) -> NodePlan:
    return build_plan(
        counter=counter,
        epoch="3f9c2a1b",
        salt="b3nch",
        interval_seconds=5,
        default="steady",
        layouts={"steady": build_layout([folder], proofs)},  # type: ignore[arg-type]
    )


@contextmanager
def _run_stock(folder: Path, registry: PullRegistry) -> Iterator[list[float]]:
    """Pull as stock containerd meanwhile, in a thread: it only waits. Its seconds are in the list at the end."""
    seconds: list[float] = []
    with run_containerd(Generation.V2, folder / "stock") as containerd:
        thread = threading.Thread(target=lambda: seconds.append(measure_dead_source(containerd, registry, stock=True)))
        thread.start()
        yield seconds
        thread.join()


def measure(folder: Path, names: dict[str, str]) -> dict[str, object]:
    """Measure everything of this module."""
    pem, key = issue_certificate(_AUTHORITY, [HOST, f"auth.{HOST}"], datetime.now(UTC))
    (folder / "chain.pem").write_text(key.value + pem)
    registry = PullRegistry(name=HOST, repository="d/ee", accounts=dict([_LOGIN]))
    found: dict[str, object] = {}
    with (
        serve(registry, names[HOST], str(folder / "chain.pem")),
        run_containerd(Generation.V2, folder / "ours") as containerd,
    ):
        with _run_stock(folder, registry) as stock:
            dead = [measure_dead_source(containerd, registry, stock=False) for _ in range(ROUNDS)]
        found["dead_source"], found["dead_source_stock"] = statistics.median(dead), stock[0]
        found["stock_limit"] = _STOCK_LIMIT
    with (
        serve_real(folder / "registry", HOST, names[HOST], _LOGIN, folder / "chain.pem") as real,
        run_containerd(Generation.V2, folder / "proofs") as containerd,
    ):
        (folder / "node").mkdir()
        bench = ProofBench(folder / "node", containerd, real)
        try:
            found["worker"] = bench.measure(master=False)
            bench.make_master()
            found["master"] = bench.measure(master=True)
        finally:
            bench.close()
    return found


if __name__ == "__main__":
    addresses = {HOST: "127.0.0.2", f"auth.{HOST}": "127.0.0.2", "hole.test": isolated.BLACK_HOLE}
    sys.stdout.write(json.dumps(measure(isolated.enter(addresses), addresses)) + "\n")
