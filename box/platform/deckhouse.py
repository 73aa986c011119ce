# SPDX-License-Identifier: Apache-2.0
"""Stand-in for the part of deckhouse-controller that takes Secret `deckhouse-registry` over.

It re-renders Deployment `deckhouse` when the Secret changes; when the new pod is Ready, the copies of the pull secret
follow and then the other workloads and the global values. Pods of OnDelete DaemonSets keep the former base until the
platform's administrator deletes them, later still. A half-written Secret changes nothing.
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime

from box.images import ImageSet
from box.platform.global_values import build_operator_config
from box.platform.kube import ensure, fetch, fetch_all
from box.platform.pace import count_due, is_renewal_due, read_delay
from box.platform.registry_secret import (
    NAME,
    NAMESPACE,
    BrokenSecretError,
    RegistrySecret,
    compute_checksum,
    parse_registry_secret,
)
from box.platform.takeover import compute_progress
from box.platform.workloads import (
    COPY_NAMESPACES,
    WORKLOADS,
    build_copy,
    build_deckhouse,
    build_workload,
    is_copy,
    is_left_behind,
)
from box.queues import is_main_held
from box.runner.kubeapi import KubeApi

NAMESPACES = (NAMESPACE, *COPY_NAMESPACES)
"""Namespaces of the platform's modules, in the order in which they follow."""

_MASTERS = "node-role.kubernetes.io/control-plane"


class Deckhouse:
    """Takes the Secret over, one level-triggered round at a time.

    On the platform all of it is rendered by Helm in the operator's queue `main`: while that is held, nothing follows.
    """

    def __init__(
        self,
        kube: KubeApi,
        image_set: ImageSet,
        log: Callable[[str], None],
        is_main_held: Callable[[], bool] = is_main_held,
    ) -> None:
        self._kube = kube
        self._is_main_held = is_main_held
        self._image_set = image_set
        self._log = log
        self._running: RegistrySecret | None = None

    def prepare_operator(self) -> None:
        """Write what an operator that starts now is to know; it keeps that registry for its whole life."""
        self._running = self.fetch_secret() or self._running
        self._write_operator_config()

    def run_round(self) -> None:
        """Do what is due now; ApiError when the API refuses or is away."""
        secret = self.fetch_secret()
        self._write_operator_config()
        if secret is None or self._is_main_held():
            return
        if ensure(self._kube, build_deckhouse(secret, self._image_set)):
            self._log(f"Deployment deckhouse is rendered for {secret.base}")
        checksum = compute_checksum(secret)
        pods = fetch_all(self._kube, "v1", "Pod", NAMESPACE, "app=deckhouse")
        progress = compute_progress(pods, checksum, datetime.now(UTC))
        delay = read_delay()
        for namespace in NAMESPACES[: count_due(progress.since, delay, len(NAMESPACES))]:
            self._follow(namespace, secret)
        if is_renewal_due(progress.since, delay):
            self._renew(secret)

    def render_all(self, secret: RegistrySecret) -> None:
        """Render everything at once, as a freshly installed platform has it."""
        ensure(self._kube, build_deckhouse(secret, self._image_set))
        for namespace in NAMESPACES:
            self._follow(namespace, secret)

    def fetch_secret(self) -> RegistrySecret | None:
        """Read the Secret; None when it is absent or broken, which is logged."""
        found = fetch(self._kube, "v1", "Secret", NAMESPACE, NAME)
        try:
            if found is None:
                raise BrokenSecretError(f"Secret {NAMESPACE}/{NAME} is absent")
            return parse_registry_secret(found.get("data") or {})
        except BrokenSecretError as error:
            self._log(f"nothing is taken over: {error}")
            return None

    def _follow(self, namespace: str, secret: RegistrySecret) -> None:
        """Render one module's release: its copy of the pull secret and its workloads, together as Helm does."""
        encoded = base64.b64encode(secret.docker_config.encode()).decode()
        if namespace in COPY_NAMESPACES:
            present = fetch(self._kube, "v1", "Secret", namespace, NAME)
            if present is None or not is_copy(present, encoded):
                ensure(self._kube, build_copy(namespace, secret))
                self._log(f"Secret {namespace}/{NAME} follows")
        for workload in WORKLOADS:
            if workload.namespace != namespace:
                continue
            if ensure(self._kube, build_workload(workload, secret.base, self._image_set)):
                self._log(f"{workload.kind.value} {workload.namespace}/{workload.name} is rendered for {secret.base}")

    def _renew(self, secret: RegistrySecret) -> None:
        """Delete one pod of each OnDelete DaemonSet that still has the former base, as its administrator does."""
        for workload in WORKLOADS:
            if not workload.on_delete:
                continue
            pods = fetch_all(self._kube, "v1", "Pod", workload.namespace, f"app={workload.name}")
            for pod in [each for each in pods if is_left_behind(each, secret.base)][:1]:
                name = pod["metadata"]["name"]
                self._kube.delete(self._kube.resolve("v1", "Pod"), workload.namespace, name, "Background")
                self._log(f"Pod {workload.namespace}/{name} is deleted: its DaemonSet is updated on delete alone")

    def _write_operator_config(self) -> None:
        if self._running is None:
            return
        module_config = fetch(self._kube, "deckhouse.io/v1alpha1", "ModuleConfig", "", "registry")
        masters = len(fetch_all(self._kube, "v1", "Node", labels=_MASTERS))
        if ensure(self._kube, build_operator_config(self._running, self._image_set, module_config, masters)):
            self._log("ConfigMap addon-operator is written")
