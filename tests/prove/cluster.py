# SPDX-License-Identifier: Apache-2.0
"""A cluster in mode Unmanaged that pulls from registry A, with workloads of the platform and of a tenant."""

from __future__ import annotations

import json
from typing import Any

from tests.prove.agent import build_disk
from tests.prove.operator import start_operator
from tests.prove.platform import build_pod, build_workload, checksum_of
from tests.prove.registries import LOGIN_A, LOGIN_TENANT, PATH_A, TENANT_PATH, A, issue_ca
from tests.prove.store import Doc, World, build_secret, build_world, hidden, intern

TENANT_CONFIG = json.dumps({"auths": {A: {"username": LOGIN_TENANT[0], "password": LOGIN_TENANT[1]}}})
_CRI = {"cri": {"type": "ContainerdV2"}}


def build_cluster(masters: int, workers: int, *, config_path: bool) -> World:
    """A cluster in which the module has not run yet; `config_path`: what containerd was started with."""
    names = [*(f"master-{n}" for n in range(masters)), *(f"worker-{n}" for n in range(workers))]
    docs = [build_node(name) for name in names]
    docs += [build_disk(name, is_master=_is_master(name), config_path=config_path) for name in names]
    docs += [_object("deckhouse.io/v1", "NodeGroup", group, spec=_CRI) for group in ("master", "worker")]
    docs += [
        _object("deckhouse.io/v1alpha1", "Module", name, properties={"source": "Embedded"})
        for name in ("prometheus", "registry")
    ]
    docs += [
        _object("deckhouse.io/v1alpha1", "ModuleConfig", "deckhouse", spec={"version": 1, "settings": {}}),
        _object("deckhouse.io/v1alpha1", "ModuleConfig", "registry", spec={"enabled": True}),
    ]
    base = f"{A}/{PATH_A}"
    auths = {"auths": {A: {"username": LOGIN_A[0], "password": LOGIN_A[1]}}}
    registry = {
        "address": A,
        "path": f"/{PATH_A}",
        "scheme": "https",
        "ca": issue_ca(A),
        ".dockerconfigjson": json.dumps(auths),
    }
    docs += [
        build_secret("deckhouse-registry", {**registry, "clusterIsBootstrapped": "true"}),
        build_secret("deckhouse-registry", {".dockerconfigjson": json.dumps(auths)}, "d8-monitoring"),
        build_workload("Deployment", "grafana", base),
        build_workload("CronJob", "report", base),
        build_workload("DaemonSet", "agent", base),
        build_pod("agent-0", "d8-monitoring", build_image(base), app="agent"),
        build_pod("cart-0", "shop", f"{A}/{TENANT_PATH}/cart:v3", app="cart"),
        hidden("Bundle", "bundle", text="", before=""),
        hidden("Health", "health", troubles=[], revoked=[], copies="follow"),
        hidden("Budget", "budget", crash="", fault=""),
        start_operator(),
    ]
    image = f"{base}:v1.72.0"
    spec = {"template": {"spec": {"containers": [{"name": "deckhouse", "image": image}]}}}
    docs.append(_object("apps/v1", "Deployment", "deckhouse", "d8-system", spec=spec))
    world = build_world(docs)
    pod = build_pod("deckhouse-0", "d8-system", image, app="deckhouse", checksum=checksum_of(world))
    return world.put(pod)


def build_image(base: str) -> str:
    """What workloads of the platform run, below a base."""
    spec = build_workload("Deployment", "x", base).body["spec"]["template"]["spec"]
    return str(spec["containers"][0]["image"])


def build_node(name: str) -> Doc:
    """A Node object, Ready."""
    labels = {
        "node.deckhouse.io/group": "master" if _is_master(name) else "worker",
        "node.deckhouse.io/containerd-config-registry": "default",
    }
    if _is_master(name):
        labels["node-role.kubernetes.io/control-plane"] = ""
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    return intern({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status})


def _is_master(name: str) -> bool:
    return name.startswith("master")


def _object(version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> Doc:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return intern({"apiVersion": version, "kind": kind, "metadata": metadata, **fields})
