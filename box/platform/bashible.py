# SPDX-License-Identifier: Apache-2.0
"""Stand-in for node-manager and bashible-apiserver: renders the bundle of each node group.

A bundle is Secret `d8-cloud-instance-manager/bashible-bundle-<group>`; nodes read it with the kubelet's identity, and
on their first boot with that of the bootstrap.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from box.platform.go_template import TemplateError
from box.platform.kube import ensure, fetch, fetch_all
from box.platform.registry_config import (
    NAME,
    BrokenConfigError,
    RegistryConfig,
    build_unmanaged_config,
    parse_registry_config,
)
from box.platform.registry_secret import NAME as DECKHOUSE_REGISTRY
from box.platform.registry_secret import BrokenSecretError, parse_registry_secret
from box.platform.steps import build_bundle, compute_checksum, write_bundle
from box.runner.kubeapi import KubeApi

BUNDLE_NAMESPACE = "d8-cloud-instance-manager"
BUNDLE_KEY = "bundle.json"
BOOTSTRAPPERS = "system:bootstrappers"
"""Group of the identity with which a node boots for the first time."""


class Bashible:
    """Keeps the bundles up to date, one level-triggered round at a time; on bad input the last good one stays."""

    def __init__(self, kube: KubeApi, log: Callable[[str], None]) -> None:
        self._kube = kube
        self._log = log
        self._said = ""
        self._checksums: dict[str, str] = {}

    def read_checksums(self) -> Mapping[str, str]:
        """What each group is to have, as of the last round."""
        return self._checksums

    def run_round(self) -> None:
        """Render every group's bundle; ApiError when the API refuses or is away."""
        try:
            config = self._fetch_config()
            groups = [group["metadata"]["name"] for group in fetch_all(self._kube, "deckhouse.io/v1", "NodeGroup")]
            configurations = fetch_all(self._kube, "deckhouse.io/v1alpha1", "NodeGroupConfiguration")
            bundles = {group: build_bundle(group, configurations, config) for group in groups}
        except (BrokenConfigError, BrokenSecretError, TemplateError) as error:
            self._say(f"nodes keep their bundle: {error}")
            return
        self._say("")
        for group, steps in bundles.items():
            if ensure(self._kube, build_bundle_secret(group, write_bundle(steps))):
                self._log(f"bundle of node group {group} is rendered")
            self._checksums[group] = compute_checksum(steps)

    def _fetch_config(self) -> RegistryConfig:
        found = fetch(self._kube, "v1", "Secret", "d8-system", NAME)
        if found is not None:
            encoded = (found.get("data") or {}).get("config", "")
            return parse_registry_config(base64.b64decode(encoded).decode())
        original = fetch(self._kube, "v1", "Secret", "d8-system", DECKHOUSE_REGISTRY)
        return build_unmanaged_config(parse_registry_secret((original or {}).get("data") or {}))

    def _say(self, line: str) -> None:
        if line and line != self._said:
            self._log(line)
        self._said = line


def build_bundle_secret(group: str, text: str) -> dict[str, Any]:
    """Build the Secret with a group's bundle."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"bashible-bundle-{group}", "namespace": BUNDLE_NAMESPACE},
        "data": {BUNDLE_KEY: base64.b64encode(text.encode()).decode()},
    }


def build_access(groups: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """Build the right of nodes to read the bundles by name."""
    metadata = {"name": "bashible-bundles", "namespace": BUNDLE_NAMESPACE}
    rule = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [f"bashible-bundle-{group}" for group in groups],
        "verbs": ["get"],
    }
    authorization = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{authorization}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}
    binding = {
        "apiVersion": f"{authorization}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": authorization, "kind": "Role", "name": "bashible-bundles"},
        "subjects": [
            {"apiGroup": authorization, "kind": "Group", "name": name} for name in ("system:nodes", BOOTSTRAPPERS)
        ],
    }
    return role, binding, *build_joining()


def build_joining() -> tuple[dict[str, Any], ...]:
    """Build the right of a booting node to ask for a kubelet's certificate, and that it is signed."""
    authorization = "rbac.authorization.k8s.io"
    subject = {"apiGroup": authorization, "kind": "Group", "name": BOOTSTRAPPERS}
    roles = {
        "bashible-bootstrap": "system:node-bootstrapper",
        "bashible-bootstrap-approval": "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
    }
    return tuple(
        {
            "apiVersion": f"{authorization}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": authorization, "kind": "ClusterRole", "name": role},
            "subjects": [subject],
        }
        for name, role in roles.items()
    )
