# SPDX-License-Identifier: Apache-2.0
"""Workloads of the platform as its stand-in renders them: deckhouse itself, and a few that stand for the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from box.images import ImageSet
from box.images.platform import DECKHOUSE_PORT
from box.platform.registry_secret import DOCKER_CONFIG, NAME, NAMESPACE, SECRET_TYPE, RegistrySecret, compute_checksum

CHECKSUM = "checksum/registry-version"
READY_FILE = "operator-ready"
"""What deckhouse's pod serves once its operator is ready; `operator_life` writes it into the container."""
_MASTER = {"node-role.kubernetes.io/control-plane": ""}
_EVERYWHERE = [{"operator": "Exists"}]
_JOB_SECONDS = 10


class Kind(Enum):
    """Kinds of platform workloads."""

    DEPLOYMENT = "Deployment"
    DAEMON_SET = "DaemonSet"
    CRON_JOB = "CronJob"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One workload that stands for the platform's: `image` is (module, image) of the image set, in camel case.

    The pods of a DaemonSet `on_delete` keep their image, whatever its template says, until someone deletes them.
    """

    kind: Kind
    namespace: str
    name: str
    image: tuple[str, str]
    on_delete: bool = False


WORKLOADS = (
    Workload(
        kind=Kind.DAEMON_SET,
        namespace="d8-monitoring",
        name="node-exporter",
        image=("monitoringKubernetes", "nodeExporter"),
    ),
    Workload(kind=Kind.DEPLOYMENT, namespace="d8-monitoring", name="prometheus", image=("prometheus", "prometheus")),
    Workload(
        kind=Kind.DAEMON_SET,
        namespace="d8-monitoring",
        name="early-oom",
        image=("nodeManager", "earlyOom"),
        on_delete=True,
    ),
    Workload(kind=Kind.CRON_JOB, namespace="d8-monitoring", name="report", image=("common", "shellOperator")),
    Workload(kind=Kind.DEPLOYMENT, namespace="d8-operator-trivy", name="operator", image=("operatorTrivy", "operator")),
    Workload(
        kind=Kind.DEPLOYMENT, namespace="d8-system", name="webhook-handler", image=("deckhouse", "webhookHandler")
    ),
)

COPY_NAMESPACES = ("d8-monitoring", "d8-operator-trivy")
"""Namespaces with a copy of the pull secret; d8-system has the original."""


def build_deckhouse(secret: RegistrySecret, image_set: ImageSet) -> dict[str, Any]:
    """Build Deployment `deckhouse` for a content of `deckhouse-registry`."""
    labels = {"app": "deckhouse"}
    probe = {"httpGet": {"path": f"/{READY_FILE}", "port": DECKHOUSE_PORT}, "periodSeconds": 1}
    container = {
        "name": "deckhouse",
        "image": f"{secret.base}:{image_set.tag}",
        "imagePullPolicy": "Always",
        "ports": [{"name": "self", "containerPort": DECKHOUSE_PORT, "protocol": "TCP"}],
        "readinessProbe": probe,
    }
    template = {
        "metadata": {
            "labels": {**labels, "leader": "true"},
            "annotations": {CHECKSUM: compute_checksum(secret)},
        },
        "spec": {**_build_pod(container), "nodeSelector": _MASTER, "tolerations": _EVERYWHERE},
    }
    spec = {
        "replicas": 1,
        "revisionHistoryLimit": 2,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": template,
    }
    return _build_object(Kind.DEPLOYMENT, NAMESPACE, "deckhouse", spec)


def build_workload(workload: Workload, base: str, image_set: ImageSet) -> dict[str, Any]:
    """Build a workload with its image below `base`, on every node or on any."""
    labels = {"app": workload.name}
    image = f"{base}@{image_set.digest(*workload.image)}"
    pod = _build_pod({"name": workload.name, "image": image, "imagePullPolicy": "IfNotPresent"})
    if workload.kind is Kind.CRON_JOB:
        return _build_cron_job(workload, labels, pod)
    if workload.kind is Kind.DAEMON_SET:
        pod["tolerations"] = _EVERYWHERE
    spec: dict[str, Any] = {
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    if workload.kind is Kind.DEPLOYMENT:
        spec["replicas"] = 1
    if workload.on_delete:
        spec["updateStrategy"] = {"type": "OnDelete"}
    return _build_object(workload.kind, workload.namespace, workload.name, spec)


def is_left_behind(pod: Mapping[str, Any], base: str) -> bool:
    """Whether a pod, which nobody has begun to delete, has a container with an image that is not below `base`."""
    images = [container["image"] for container in pod["spec"]["containers"]]
    return "deletionTimestamp" not in pod["metadata"] and any(not image.startswith(f"{base}@") for image in images)


def build_copy(namespace: str, secret: RegistrySecret) -> dict[str, Any]:
    """Build a namespace's copy of the pull secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": SECRET_TYPE,
        "metadata": {"name": NAME, "namespace": namespace, "labels": _LABELS},
        "stringData": {DOCKER_CONFIG: secret.docker_config},
    }


def is_copy(present: dict[str, Any], encoded: str) -> bool:
    """Whether a copy holds the original's docker configuration, given in base64."""
    return (present.get("data") or {}).get(DOCKER_CONFIG) == encoded


_LABELS = {"heritage": "deckhouse", "module": "platform-stand-in"}


def _build_pod(container: dict[str, Any]) -> dict[str, Any]:
    container["resources"] = {"requests": {"cpu": "5m", "memory": "8Mi"}}
    return {
        "imagePullSecrets": [{"name": NAME}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,  # the idle images have nothing to finish
        "containers": [container],
    }


def _build_cron_job(workload: Workload, labels: dict[str, str], pod: dict[str, Any]) -> dict[str, Any]:
    """Build a CronJob whose Jobs work for a while, so that a switch meets one made from the former template."""
    pod["restartPolicy"] = "Never"
    pod["containers"][0]["command"] = ["/bin/sh", "-c", f"sleep {_JOB_SECONDS}"]
    job = {"backoffLimit": 1, "template": {"metadata": {"labels": labels}, "spec": pod}}
    spec = {
        "schedule": "* * * * *",
        "concurrencyPolicy": "Forbid",
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": {"spec": job},
    }
    item = _build_object(Kind.CRON_JOB, workload.namespace, workload.name, spec)
    return {**item, "apiVersion": "batch/v1"}


def _build_object(kind: Kind, namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": kind.value,
        "metadata": {"name": name, "namespace": namespace, "labels": {**_LABELS, "app": name}},
        "spec": spec,
    }
