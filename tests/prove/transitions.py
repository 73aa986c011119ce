# SPDX-License-Identifier: Apache-2.0
"""The transitions that are searched. A new one is one entry: where the cluster starts, and what is edited."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tests.prove.agent import build_disk
from tests.prove.operator import start_operator
from tests.prove.platform import build_pod, build_workload, checksum_of
from tests.prove.registries import (
    LOGIN_A,
    LOGIN_A2,
    LOGIN_B,
    LOGIN_TENANT,
    PATH_A,
    PATH_B,
    TENANT_PATH,
    A,
    B,
    Login,
    issue_ca,
)
from tests.prove.store import Doc, World, build_secret, build_world, change, hidden, intern

Section = Mapping[str, Any]


def direct(host: str, path: str, login: Login, **fields: Any) -> Section:
    """A registry section of mode Direct."""
    user, password = login
    endpoint = {"imagesRepo": f"{host}/{path}", "username": user, "password": password, "ca": issue_ca(host), **fields}
    return {"mode": "Direct", "direct": endpoint}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transition:
    """`edit` is what is asked for; `mode` and `host` are what a run without faults must end with.

    `masters` and `workers`: the smallest cluster that shows it. `config_path`: what containerd was started with.
    `after` names the transition that led to where this one starts; without it that is Unmanaged from registry A.
    """

    name: str
    edit: Section
    mode: str
    host: str
    masters: int = 1
    workers: int = 1
    config_path: bool = True
    after: str = ""


TO_A, TO_B = direct(A, PATH_A, LOGIN_A), direct(B, PATH_B, LOGIN_B)
UNMANAGED: Section = {"mode": "Unmanaged"}
_DIRECT_A, _DIRECT_B = "unmanaged-a-to-direct-a", "unmanaged-a-to-direct-b"

TRANSITIONS = (
    Transition(name=_DIRECT_A, edit=TO_A, mode="Direct", host=A),
    Transition(name=_DIRECT_B, edit=TO_B, mode="Direct", host=B),
    Transition(name="unmanaged-a-to-direct-b-config-path-off", edit=TO_B, mode="Direct", host=B, config_path=False),
    Transition(name="direct-a-to-direct-b", after=_DIRECT_A, edit=TO_B, mode="Direct", host=B),
    Transition(name="direct-b-to-direct-a", after=_DIRECT_B, edit=TO_A, mode="Direct", host=A),
    Transition(
        name="direct-a-to-a-new-password",
        after=_DIRECT_A,
        edit=direct(A, PATH_A, LOGIN_A2),
        mode="Direct",
        host=A,
    ),
    Transition(
        name="direct-a-to-a-other-path",
        after=_DIRECT_A,
        edit=direct(A, PATH_B, LOGIN_A),
        mode="Direct",
        host=A,
    ),
    Transition(name="direct-a-to-unmanaged", after=_DIRECT_A, edit=UNMANAGED, mode="Unmanaged", host=A),
    Transition(name="direct-b-to-unmanaged", after=_DIRECT_B, edit=UNMANAGED, mode="Unmanaged", host=B),
)


@cache
def resize(transition: Transition, masters: int, workers: int) -> Transition:
    """The same in a cluster of another size."""
    if (transition.masters, transition.workers) == (masters, workers):
        return transition
    return replace(transition, masters=masters, workers=workers)


def build_cluster(transition: Transition) -> World:
    """A cluster in mode Unmanaged in which the module has not run yet."""
    names = [*(f"master-{n}" for n in range(transition.masters)), *(f"worker-{n}" for n in range(transition.workers))]
    docs = [build_node(name) for name in names]
    docs += [build_disk(name, is_master=_is_master(name), config_path=transition.config_path) for name in names]
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
        hidden("Health", "health", troubles=[], revoked=[]),
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


def edit(world: World, section: Section | None) -> World:
    """Somebody edits the registry section of ModuleConfig deckhouse."""
    found = world.need("ModuleConfig", "deckhouse")
    settings = {} if section is None else {"registry": dict(section)}
    return world.put(change(found, spec={**found.body["spec"], "settings": settings}))


TENANT_CONFIG = json.dumps({"auths": {A: {"username": LOGIN_TENANT[0], "password": LOGIN_TENANT[1]}}})
_CRI = {"cri": {"type": "ContainerdV2"}}


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
