# SPDX-License-Identifier: Apache-2.0
"""A tenant: images of its own in the platform's registry's host, pulled with credentials of its own."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from box.load.bases import Base
from box.load.imagery import LoadImage, read_load_images
from box.registries.accounts import Account, Owner, find_account, read_accounts
from box.registries.catalogue import TENANT_REPOSITORY, Registry
from box.registries.content import list_tenant_digests
from box.registries.files import RegistryFiles
from box.watch.api import Api, Present

NAMESPACE = "team-a"
WORKLOAD = "app"
PULL_SECRET = "team-a-registry"  # noqa: S105 - the name of a Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant's images at one registry; nodes reach them under the registry's own name."""

    registry: str
    base: Base
    images: tuple[LoadImage, ...]
    own: str = ""  # the image of the workload that runs for good


def read_tenant(registry: Registry, files: RegistryFiles) -> Tenant:
    """Read a tenant's images from the storage of a registry that ran once."""
    own, *digests = list_tenant_digests(files.storage)
    return Tenant(
        registry=registry.name,
        base=Base(host=registry.authority, path=f"/{TENANT_REPOSITORY}"),
        images=read_load_images(digests, files.storage),
        own=own,
    )


def install_tenants(api: Api, registries: Sequence[tuple[Registry, RegistryFiles]]) -> None:
    """Create the tenants' namespace, and their pull secret with an entry a registry, as a user writes it."""
    with suppress(Present):  # of an earlier run
        api.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    logins = {one.authority: find_account(read_accounts(files), Owner.TENANT) for one, files in registries}
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    secret = build_pull_secret(logins)
    try:
        api.request("POST", path, secret)
    except Present:
        api.request("PUT", f"{path}/{PULL_SECRET}", secret)


def run_workload(api: Api, tenant: Tenant) -> None:
    """Run a pod of a tenant on every node, for good: users' pods go on naming the registry by its own name."""
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets"
    with suppress(Present):
        api.request(
            "POST", path, build_workload(f"{WORKLOAD}-{tenant.registry}", tenant.base.build_reference(tenant.own))
        )


def build_workload(name: str, image: str) -> dict[str, Any]:
    """A DaemonSet of the tenant."""
    pod = {
        "imagePullSecrets": [{"name": PULL_SECRET}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "app", "image": image}],
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def build_pull_secret(logins: dict[str, Account]) -> dict[str, Any]:
    """A pull secret with one entry a host."""
    auths = {host: {"username": one.user, "password": one.password} for host, one in logins.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": PULL_SECRET, "namespace": NAMESPACE},
        "stringData": {".dockerconfigjson": json.dumps({"auths": auths})},
    }
