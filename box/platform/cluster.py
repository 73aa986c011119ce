# SPDX-License-Identifier: Apache-2.0
"""What a freshly installed platform has in its cluster, and the process of the stand-ins."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from box.errors import BoxError
from box.images import ImageSet
from box.platform.approvals import CONFIGURED
from box.platform.bashible import BUNDLE_NAMESPACE, Bashible, build_access
from box.platform.deckhouse import Deckhouse
from box.platform.global_values import list_modules
from box.platform.kube import ensure, ensure_once, fetch, fetch_all
from box.platform.registry_secret import RegistrySecret, build_registry_secret
from box.platform.workloads import COPY_NAMESPACES
from box.runner.kubeapi import KubeApi

CRDS = Path(__file__).parent / "crds"
GROUPS = ("master", "worker")

_CRD_SECONDS = 30.0
_NODE_SECONDS = 60.0
_WORKLOAD_SECONDS = 120.0


class PlatformError(BoxError):
    """The stand-ins cannot be installed."""


def install_objects(kube: KubeApi, secret: RegistrySecret, image_set: ImageSet) -> None:
    """Create definitions and objects, and the bundles that nodes boot with.

    What is there already and is the user's or the module's stays as it is. PlatformError names what does not come up.
    """
    definitions = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(CRDS.glob("*.yaml"))]
    for definition in definitions:
        ensure(kube, definition)
    for namespace in ("d8-system", *COPY_NAMESPACES, BUNDLE_NAMESPACE):
        ensure(kube, build_namespace(namespace))
    for item in build_access(GROUPS):
        ensure(kube, item)
    ensure_once(kube, build_registry_secret(secret))
    _await(
        "CustomResourceDefinitions served",
        _CRD_SECONDS,
        lambda: [entry["metadata"]["name"] for entry in definitions if not _is_served(kube, entry["metadata"]["name"])],
    )
    for item in (build_deckhouse_config(), *map(build_node_group, GROUPS)):
        ensure_once(kube, item)
    for name in list_modules(image_set):
        ensure_once(kube, build_module(name))
    Bashible(kube, lambda _: None).run_round()


def install_workloads(
    kube: KubeApi, secret: RegistrySecret, image_set: ImageSet, find_hopeless: Callable[[], str]
) -> None:
    """Render all workloads and wait until nodes are configured and workloads run; PlatformError says what does not.

    The process of the stand-ins must run already. `find_hopeless` says why waiting is of no use, or nothing.
    """
    _await("nodes configured by bashible (`journalctl -u bashible` there)", _NODE_SECONDS, lambda: _find_bare(kube))
    Deckhouse(kube, image_set, lambda _: None).render_all(secret)
    _await("platform workloads available", _WORKLOAD_SECONDS, lambda: _find_unavailable(kube), find_hopeless)


def _await(
    what: str, seconds: float, find_missing: Callable[[], list[str]], find_hopeless: Callable[[], str] = lambda: ""
) -> None:
    deadline = time.monotonic() + seconds
    while missing := find_missing():
        if reason := find_hopeless():
            raise PlatformError(f"{what}: not {', '.join(missing)}, since {reason}")
        if time.monotonic() > deadline:
            raise PlatformError(f"{what}: still not {', '.join(missing)} after {seconds:.0f} s")
        time.sleep(0.2)


def _find_bare(kube: KubeApi) -> list[str]:
    nodes = fetch_all(kube, "v1", "Node")
    return [node["metadata"]["name"] for node in nodes if CONFIGURED not in (node["metadata"].get("annotations") or {})]


def _find_unavailable(kube: KubeApi) -> list[str]:
    missing = []
    for kind, wanted, present in (
        ("Deployment", "replicas", "availableReplicas"),
        ("DaemonSet", "desiredNumberScheduled", "numberAvailable"),
    ):
        for item in fetch_all(kube, "apps/v1", kind, labels="module=platform-stand-in"):
            status = item.get("status") or {}
            if not status.get(wanted) or status.get(wanted) != status.get(present):
                missing.append(f"{kind} {item['metadata']['namespace']}/{item['metadata']['name']}")
    return missing


def _is_served(kube: KubeApi, name: str) -> bool:
    found = fetch(kube, "apiextensions.k8s.io/v1", "CustomResourceDefinition", "", name) or {}
    conditions = (found.get("status") or {}).get("conditions") or []
    return any(entry["type"] == "Established" and entry["status"] == "True" for entry in conditions)


def build_namespace(name: str) -> dict[str, Any]:
    """Build a namespace of the platform."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"heritage": "deckhouse"}}}


def build_deckhouse_config() -> dict[str, Any]:
    """Build ModuleConfig `deckhouse` without a registry section: Unmanaged, not configurable."""
    return {
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": "ModuleConfig",
        "metadata": {"name": "deckhouse"},
        "spec": {"version": 1, "enabled": True, "settings": {"bundle": "Default", "logLevel": "Info"}},
    }


def build_node_group(name: str) -> dict[str, Any]:
    """Build a NodeGroup of static nodes with containerd v2."""
    return {
        "apiVersion": "deckhouse.io/v1",
        "kind": "NodeGroup",
        "metadata": {"name": name},
        "spec": {"nodeType": "Static", "cri": {"type": "ContainerdV2"}, "disruptions": {"approvalMode": "Automatic"}},
    }


def build_module(name: str) -> dict[str, Any]:
    """Build the Module object of a module that comes with the platform."""
    return {
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": "Module",
        "metadata": {"name": name},
        "properties": {"source": "Embedded", "weight": 900},
    }
