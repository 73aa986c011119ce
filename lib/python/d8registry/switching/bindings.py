# SPDX-License-Identifier: Apache-2.0
"""What the reconcile hook binds to: the objects that `switching.observe` reads."""

from collections.abc import Mapping
from typing import Any

from d8registry.kube import cluster

JSON = Any
QUEUE = "/modules/registry/reconcile"
TICK = "tick"
MODULE_CONFIG = ("deckhouse.io/v1alpha1", "ModuleConfig")
SECRETS = (
    "deckhouse-registry",
    "registry-bashible-config",
    "registry-checks",
    "registry-evidence",
    "registry-incluster-proxy-tls",
    "registry-incluster-proxy-upstream",
    "registry-incluster-proxy-users",
    "registry-node-plan",
    "registry-pki",
    "registry-questions",
    "registry-state",
)
# The writer is for people: who an edit of our own objects came from.
OWN_FILTER = (
    "{metadata: {name: .metadata.name, annotations: .metadata.annotations}, data: .data, "
    "writer: ([.metadata.managedFields[]? | select(.time)] | max_by(.time) | .manager)}"
)


def build_hook_config() -> dict[str, JSON]:
    """Build what the reconcile hook prints for `--config`.

    Pods are bound in d8-system only: a cluster has a hundred thousand of them. One group, one queue: a burst of events
    is one run.
    """
    bindings = _build_bindings()
    names = [binding["name"] for binding in bindings]
    return {
        "configVersion": "v1",
        "settings": {"executionMinInterval": "1s", "executionBurst": 5},
        # Deadlines and the soak need a clock; without a group, so that a run that only the clock woke is known as such.
        "schedule": [
            {"name": TICK, "crontab": "*/5 * * * * *", "queue": QUEUE, "includeSnapshotsFrom": names},
            {"name": "hourly", "crontab": "17 * * * *", "queue": QUEUE, "group": "main"},
        ],
        "kubernetes": bindings,
    }


def build_leaving_config() -> dict[str, JSON]:
    """Build what the hook of the module's removal prints: it never runs but then, and reads our Secrets."""
    secrets = _bind("secrets", "v1", "Secret", OWN_FILTER, list(SECRETS), in_system=True)
    return {
        "configVersion": "v1",
        "beforeDeleteHelm": 10,
        "afterDeleteHelm": 10,
        "kubernetes": [
            {
                **{key: value for key, value in secrets.items() if key not in ("queue", "group")},
                "executeHookOnSynchronization": False,
                "executeHookOnEvent": [],
            }
        ],
    }


def _build_bindings() -> list[dict[str, JSON]]:
    return [
        _bind(
            "settings",
            *MODULE_CONFIG,
            "{registry: .spec.settings.registry}",
            ["deckhouse"],
        ),
        _bind(
            "requests",
            *MODULE_CONFIG,
            '.metadata.annotations // {} | with_entries(select(.key | startswith("registry.deckhouse.io/")))',
            ["registry"],
        ),
        _bind("nodes", "v1", "Node", cluster.NODE_FILTER),
        _bind("groups", "deckhouse.io/v1", "NodeGroup", cluster.GROUP_FILTER),
        _bind(
            "modules",
            "deckhouse.io/v1alpha1",
            "Module",
            "{name: .metadata.name, source: .properties.source, bootstrapped: .properties.requirements.bootstrapped}",
        ),
        _bind(
            "secrets",
            "v1",
            "Secret",
            OWN_FILTER,
            list(SECRETS),
            in_system=True,
        ),
        _bind(
            "copies",
            "v1",
            "Secret",
            '{namespace: .metadata.namespace, config: .data[".dockerconfigjson"]}',
            ["deckhouse-registry"],
        ),
        _bind("deckhouse_pods", "v1", "Pod", cluster.POD_FILTER, labels={"app": "deckhouse"}, in_system=True),
        _bind(
            "proxy_pods",
            "v1",
            "Pod",
            cluster.POD_FILTER,
            labels={"component": "registry-service", "type": "incluster-proxy"},
            in_system=True,
        ),
        _bind("proxy", "apps/v1", "Deployment", "{name: .metadata.name}", ["registry-incluster-proxy"], in_system=True),
        _bind(
            "deckhouse",
            "apps/v1",
            "Deployment",
            "[.spec.template.spec | .containers[]?, .initContainers[]? | {key: .name, value: .image}] | from_entries",
            ["deckhouse"],
            in_system=True,
        ),
    ]


def _bind(
    name: str,
    version: str,
    kind: str,
    jq_filter: str,
    names: list[str] | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    in_system: bool = False,
) -> dict[str, JSON]:
    binding: dict[str, JSON] = {
        "name": name,
        "apiVersion": version,
        "kind": kind,
        "jqFilter": jq_filter,
        "keepFullObjectsInMemory": False,
        "queue": QUEUE,
        "group": "main",
    }
    if names:
        binding["nameSelector"] = {"matchNames": names}
    if labels:
        binding["labelSelector"] = {"matchLabels": dict(labels)}
    if in_system:
        binding["namespace"] = {"nameSelector": {"matchNames": ["d8-system"]}}
    return binding
