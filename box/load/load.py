# SPDX-License-Identifier: Apache-2.0
"""The load: on every node a new pod every few seconds, each third one a tenant's where there are tenants."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

from box.errors import BoxError
from box.layout import Node
from box.load.imagery import LoadImage
from box.load.puller import PULL_SECONDS, Puller
from box.load.pulls import Pull
from box.load.tenants import Tenant

PERIOD_SECONDS = 2.5
MOST_PULLS_A_NODE = 2000
AT_ONCE = 6
_TENANTS_EACH = 3
_IDLE_SECONDS = 0.2


class Load:
    """Runs a puller a node until it is stopped; every pull that began is in the result."""

    def __init__(
        self, puller: Puller, nodes: Sequence[Node], images: Sequence[LoadImage], tenants: Sequence[Tenant] = ()
    ) -> None:
        if len(images) <= AT_ONCE:
            raise ValueError(f"the load needs more than {AT_ONCE} images, so that two pulls never share one")
        self._puller = puller
        self._count = len(nodes)
        self._images = images
        self._tenants = {one.registry: one for one in tenants}
        self._paused: frozenset[str] = frozenset()
        self._resting: frozenset[str] = frozenset()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._pulls: list[Pull] = []
        self._broken: list[str] = []
        self._running = 0
        self._threads = [self._build_thread(node, index) for index, node in enumerate(nodes)]

    def start(self) -> None:
        """Start pulling on every node, the nodes one after another within the period."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> tuple[Pull, ...]:
        """Begin no more pulls, wait for the running ones, and return all."""
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=PULL_SECONDS * 2)
        return self.fetch_pulls()

    def add_node(self, node: Node) -> None:
        """Pull on a node that has joined, too."""
        thread = self._build_thread(node, len(self._threads))
        self._threads.append(thread)
        thread.start()

    def add_tenant(self, tenant: Tenant) -> None:
        """Pull a further tenant's images from now on."""
        self._tenants = {**self._tenants, tenant.registry: tenant}

    @property
    def paused(self) -> frozenset[str]:
        """Registries whose tenants are left out now."""
        return self._paused

    def pause_tenants(self, registries: frozenset[str]) -> None:
        """Leave out the tenants of these registries: whose registry is broken on purpose cannot pull from it."""
        self._paused = registries

    def rest_node(self, name: str) -> None:
        """Begin no pulls on a node from now on."""
        self._resting |= {name}

    def resume_node(self, name: str) -> None:
        """Pull on a node again."""
        self._resting -= {name}

    def await_idle(self) -> None:
        """Wait until no pull is under way; ask nodes to rest before. Raises BoxError where one does not end."""
        deadline = time.monotonic() + PULL_SECONDS * 2
        while self._running:
            if time.monotonic() > deadline:
                raise BoxError(f"{self._running} pulls of the load have not ended after {PULL_SECONDS * 2:.0f} s")
            time.sleep(_IDLE_SECONDS)

    def fetch_pulls(self) -> tuple[Pull, ...]:
        """The pulls that have ended so far, by their start."""
        with self._lock:
            return tuple(sorted(self._pulls, key=lambda one: one.started))

    def fetch_broken(self) -> tuple[str, ...]:
        """Tries that never became a pod (the API or the node's image store did not answer), with the reason."""
        with self._lock:
            return tuple(self._broken)

    def _build_thread(self, node: Node, index: int) -> threading.Thread:
        return threading.Thread(target=self._run, args=(node, index), name=f"load-{node.name}", daemon=True)

    def _run(self, node: Node, index: int) -> None:
        # The image is removed a period before the pod is due, so that the node's store does not delay the pod.
        due = time.monotonic() + PERIOD_SECONDS * (1 + index % self._count / self._count)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"pull-{node.name}") as pool:
            running: list[Future[None]] = []
            turns = Turns()
            for _ in range(MOST_PULLS_A_NODE):
                if self._over.wait(max(0.0, due - PERIOD_SECONDS - time.monotonic())):
                    return
                running = [one for one in running if not one.done()]
                if len(running) < AT_ONCE and node.name not in self._resting:
                    active = [one for name, one in sorted(self._tenants.items()) if name not in self._paused]
                    tenant, number = turns.take(active)
                    with self._lock:
                        self._running += 1
                    running.append(pool.submit(self._pull, node, tenant, number, index, due))
                due += PERIOD_SECONDS

    def _pull(self, node: Node, tenant: Tenant | None, number: int, index: int, due: float) -> None:
        try:
            self._pull_once(node, tenant, number, index, due)
        finally:
            with self._lock:
                self._running -= 1

    def _pull_once(self, node: Node, tenant: Tenant | None, number: int, index: int, due: float) -> None:
        try:
            if tenant:
                image = tenant.images[number % len(tenant.images)]
                pull = self._puller.pull_tenant(node, tenant, image, due)
            else:
                image = self._images[(number + index * 3) % len(self._images)]
                pull = self._puller.pull(node, image, number, due=due)
        except Exception as error:  # a try that broke is shown and fails the run
            with self._lock:
                self._broken.append(f"{datetime.now(UTC):%H:%M:%S} {node.name}: {type(error).__name__}: {error}")
            return
        with self._lock:
            self._pulls.append(pull)


class Turns:
    """Whose turn it is on one node: the platform's twice, then a tenant's, each tenant in turn."""

    def __init__(self) -> None:
        self._total = 0
        self._platform = 0
        self._tenant = 0

    def take(self, tenants: Sequence[Tenant]) -> tuple[Tenant | None, int]:
        """Return the tenant, None for the platform, and the number of the pull among its kind."""
        self._total += 1
        if tenants and self._total % _TENANTS_EACH == 0:
            self._tenant += 1
            return tenants[self._tenant % len(tenants)], self._tenant // len(tenants)
        self._platform += 1
        return None, self._platform - 1
