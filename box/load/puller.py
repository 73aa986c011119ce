# SPDX-License-Identifier: Apache-2.0
"""One pull of the load: names of the image are removed, a pod is made, and its only try is told."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from box.layout import Node
from box.load.bases import Base, list_bases
from box.load.imagery import LoadImage
from box.load.node import drop_dead_leases, forget_image, was_containerd_restarted
from box.load.pods import PULL_SECRET, build_pull_pod, describe_stuck, find_pull_failure, is_cut_off, read_outcome
from box.load.pulls import Outcome, Pull, Role
from box.load.tenants import NAMESPACE as TENANT_NAMESPACE
from box.load.tenants import PULL_SECRET as TENANT_SECRET
from box.load.tenants import Tenant
from box.watch.api import Api
from box.watch.view import STATE_PATH, Phase, SwitchView, choose_phase, read_view

NAMESPACES = ("d8-monitoring", "d8-operator-trivy")
PULL_SECONDS = 60.0
_POLL_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """What the platform's references carry before a switch and after it; `target` is the mode it leads to."""

    old: Base
    new: Base
    target: str


class Puller:
    """Makes one pull at a time for whoever calls."""

    def __init__(self, api: Api, bases: Bases) -> None:
        self._api = api
        self._bases = bases
        self._known = {bases.old, bases.new, *list_bases()}
        self._numbers = itertools.count(1)
        self._cut: set[str] = set()

    def aim(self, bases: Bases) -> None:
        """Follow another switch from now on."""
        self._known |= {bases.old, bases.new}
        self._bases = bases

    def observe(self) -> SwitchView:
        """Read where the switch is now."""
        return read_view(self._api.find(STATE_PATH))

    def pull(self, node: Node, image: LoadImage, number: int, role: Role | None = None, due: float = 0.0) -> Pull:
        """Pull one of the platform's images; without a `role` the base follows the switch.

        `due` is the monotonic time before which the pod is not made. A kubelet's later retry never makes a failed pull
        good.
        """
        self._forget(node, image, tuple(self._known), due)
        before, bases = self.observe(), self._bases
        role = role or choose_role(choose_phase(before, bases.target), number)
        base = bases.old if role is Role.OLD else bases.new
        namespace = NAMESPACES[number % len(NAMESPACES)]
        return self._run(node, image, role, base, (namespace, PULL_SECRET), before)

    def pull_tenant(self, node: Node, tenant: Tenant, image: LoadImage, due: float = 0.0) -> Pull:
        """Pull one of a tenant's images from the tenant's registry, with the tenant's own pull secret."""
        self._forget(node, image, (tenant.base,), due)
        where = (TENANT_NAMESPACE, TENANT_SECRET)
        return self._run(node, image, Role.TENANT, tenant.base, where, self.observe(), tenant.registry)

    def _forget(self, node: Node, image: LoadImage, bases: Sequence[Base], due: float) -> None:
        forget_image(node, (*(known.build_reference(image.digest) for known in bases), *image.configs))
        if node.name in self._cut:
            drop_dead_leases(node)
            self._cut.discard(node.name)
        time.sleep(max(0.0, due - time.monotonic()))

    def _run(
        self,
        node: Node,
        image: LoadImage,
        role: Role,
        base: Base,
        where: tuple[str, str],
        before: SwitchView,
        registry: str = "",
    ) -> Pull:
        namespace, secret = where
        name = f"load-pull-{node.name}-{next(self._numbers)}"
        path = f"/api/v1/namespaces/{namespace}/pods"
        pod = build_pull_pod(name, namespace, node.name, base.build_reference(image.digest), secret)
        started = datetime.now(UTC)
        uid = self._api.request("POST", path, pod)["metadata"]["uid"]
        try:
            outcome, reason = self._await_outcome(f"{path}/{name}", namespace, uid)
            ended = datetime.now(UTC)
            if outcome is not Outcome.PULLED and is_cut_off(reason) and was_containerd_restarted(node, started):
                outcome = Outcome.CUT
                self._cut.add(node.name)
        finally:
            self._api.delete_now(f"{path}/{name}")
        return Pull(
            node=node.name,
            address=node.address,
            namespace=namespace,
            role=role,
            base=f"{base.host}{base.path}",
            registry=registry,
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


def choose_role(phase: Phase, number: int) -> Role:
    """Both bases in turn, each with both namespaces, while both are to work."""
    if phase is Phase.BOTH:
        return (Role.OLD, Role.NEW)[number // len(NAMESPACES) % 2]
    return Role(phase.value)
