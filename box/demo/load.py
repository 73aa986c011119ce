# SPDX-License-Identifier: Apache-2.0
"""The load: on every node a new pod every few seconds whose image has to be fetched anew."""

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from box.demo.api import Api
from box.demo.bases import Base
from box.demo.node import forget_image, was_containerd_restarted
from box.demo.pods import build_pull_pod, describe_stuck, find_pull_failure, is_cut_off, read_outcome
from box.demo.pulls import Outcome, Pull
from box.demo.view import Phase, SwitchView, choose_phase, read_view
from box.layout import Node

STATE_PATH = "/api/v1/namespaces/d8-system/secrets/registry-state"
NAMESPACES = ("d8-monitoring", "d8-operator-trivy")
PERIOD_SECONDS = 2.5
PULL_SECONDS = 60.0
MOST_PULLS_A_NODE = 400
AT_ONCE = 6
_POLL_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadImage:
    """One image of the load.

    `blobs` are the config and layers that no other image of the load has; `configs` the digests of its configs, under
    which the kubelet's image store lists it as well.
    """

    digest: str
    blobs: frozenset[str]
    configs: tuple[str, ...]


class Puller:
    """Makes one pull at a time for whoever calls; knows both bases and the images."""

    def __init__(self, api: Api, bases: Mapping[str, Base]) -> None:
        self._api = api
        self._bases = bases
        self._numbers = itertools.count(1)

    def observe(self) -> SwitchView:
        """Read where the switch is now."""
        return read_view(self._api.find(STATE_PATH))

    def pull(self, node: Node, image: LoadImage, number: int, base: str | None = None, due: float = 0.0) -> Pull:
        """Remove all names of the image from the node, run a pod with it, and tell how its only try went.

        `base` is `old` or `new`; None follows the switch. `due` is the monotonic time before which the pod is not
        made. A kubelet's later retry never makes a failed pull good.
        """
        references = (known.build_reference(image.digest) for known in self._bases.values())
        forget_image(node, (*references, *image.configs))
        time.sleep(max(0.0, due - time.monotonic()))
        before = self.observe()
        chosen = base or _choose_base(choose_phase(before), number)
        namespace = NAMESPACES[number % len(NAMESPACES)]
        name = f"demo-pull-{node.name}-{next(self._numbers)}"
        path = f"/api/v1/namespaces/{namespace}/pods"
        pod = build_pull_pod(name, namespace, node.name, self._bases[chosen].build_reference(image.digest))
        started = datetime.now(UTC)
        uid = self._api.request("POST", path, pod)["metadata"]["uid"]
        try:
            outcome, reason = self._await_outcome(f"{path}/{name}", namespace, uid)
            ended = datetime.now(UTC)
            if outcome is not Outcome.PULLED and is_cut_off(reason) and was_containerd_restarted(node, started):
                outcome = Outcome.CUT
        finally:
            self._api.delete_now(f"{path}/{name}")
        return Pull(
            node=node.name,
            address=node.address,
            namespace=namespace,
            base=chosen,
            digest=image.digest,
            blobs=image.blobs,
            started=started,
            ended=ended,
            step_at_start=before.step,
            step_at_end=self.observe().step,
            outcome=outcome,
            reason=reason,
        )

    def _await_outcome(self, path: str, namespace: str, uid: str) -> tuple[Outcome, str]:
        found = None
        for _ in range(int(PULL_SECONDS / _POLL_SECONDS)):
            pod = self._api.fetch(path)
            if found := read_outcome(pod):
                break
            time.sleep(_POLL_SECONDS)
        events = self._api.fetch_items(
            f"/api/v1/namespaces/{namespace}/events", fieldSelector=f"involvedObject.uid={uid}"
        )
        if failure := find_pull_failure(events):
            return Outcome.FAILED, failure
        return found or (Outcome.UNCLEAR, f"no pull in {PULL_SECONDS:.0f} s: {describe_stuck(pod, events)}")


class Load:
    """Runs a puller a node until it is stopped; every pull that began is in the result."""

    def __init__(self, puller: Puller, nodes: Sequence[Node], images: Sequence[LoadImage]) -> None:
        if len(images) <= AT_ONCE:
            raise ValueError(f"the load needs more than {AT_ONCE} images, so that two pulls never share one")
        self._puller = puller
        self._nodes = nodes
        self._images = images
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._pulls: list[Pull] = []
        self._broken: list[str] = []
        self._threads = [
            threading.Thread(target=self._run, args=(node, index), name=f"load-{node.name}", daemon=True)
            for index, node in enumerate(nodes)
        ]

    def start(self) -> None:
        """Start pulling on every node, the nodes one after another within the period."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> tuple[Pull, ...]:
        """Begin no more pulls, wait for the running ones, and return all."""
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=PULL_SECONDS * 2)
        return self.fetch_pulls()

    def fetch_pulls(self) -> tuple[Pull, ...]:
        """The pulls that have ended so far, by their start."""
        with self._lock:
            return tuple(sorted(self._pulls, key=lambda one: one.started))

    def fetch_broken(self) -> tuple[str, ...]:
        """Tries that never became a pod (the API or the node's image store did not answer), with the reason."""
        with self._lock:
            return tuple(self._broken)

    def _run(self, node: Node, index: int) -> None:
        # The image is removed a period before the pod is due, so that the node's store does not delay the pod.
        due = time.monotonic() + PERIOD_SECONDS * (1 + index / len(self._nodes))
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"pull-{node.name}") as pool:
            running: list[Future[None]] = []
            for number in range(MOST_PULLS_A_NODE):
                if self._over.wait(max(0.0, due - PERIOD_SECONDS - time.monotonic())):
                    return
                running = [one for one in running if not one.done()]
                if len(running) < AT_ONCE:
                    image = self._images[(number + index * 3) % len(self._images)]
                    running.append(pool.submit(self._pull, node, image, number, due))
                due += PERIOD_SECONDS

    def _pull(self, node: Node, image: LoadImage, number: int, due: float) -> None:
        try:
            pull = self._puller.pull(node, image, number, due=due)
        except Exception as error:  # a try that broke is shown and fails the demo
            with self._lock:
                self._broken.append(f"{datetime.now(UTC):%H:%M:%S} {node.name}: {type(error).__name__}: {error}")
            return
        with self._lock:
            self._pulls.append(pull)


def _choose_base(phase: Phase, number: int) -> str:
    """Both bases in turn, each with both namespaces, while both are to work."""
    if phase is Phase.BOTH:
        return ("old", "new")[number // len(NAMESPACES) % 2]
    return phase.value
