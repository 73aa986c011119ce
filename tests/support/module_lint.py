# SPDX-License-Identifier: Apache-2.0
"""What the platform's module linter refuses a module for, as far as it was met on a small module.

Two lists of problems, each a sentence that names the file or the object: of files, and of rendered manifests.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

MODULE = "registry"
STAGES = ("Experimental", "Preview", "General Availability", "Deprecated")
OSS_KEYS = {"id", "version", "name", "description", "link", "license"}
PRIORITIES = {
    "system-node-critical", "system-cluster-critical", "production-high", "cluster-critical", "production-medium",
    "production-low", "cluster-medium", "cluster-low", "develop", "standby",
}  # fmt: skip
_CHARTED = {"templates", "charts", "monitoring", "crds", "Chart.yaml", "values.yaml", ".helmignore"}
_RBAC_KINDS = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
_RBAC_FILES = {"rbac-for-us.yaml", "rbac-to-us.yaml"}
_SCRIPTS = {".py", ".sh", ".tpl"}


def find_file_problems(root: Path, entries: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the files of a module; `entries` are the names in its root."""
    for name in ("docs/README.md", "docs/README.ru.md", ".helmignore", "Chart.yaml", "module.yaml"):
        if not (root / name).is_file():
            yield f"{name} is missing"
    ignored = (root / ".helmignore").read_text(encoding="utf-8").splitlines()
    yield from (f".helmignore does not name {name}" for name in sorted({*entries} - {*ignored} - _CHARTED))
    yield from _find_definition_problems(yaml.safe_load((root / "module.yaml").read_text(encoding="utf-8")))
    for item in yaml.safe_load((root / "oss.yaml").read_text(encoding="utf-8")):
        yield from (f"oss.yaml: {item.get('id')} has no {key}" for key in sorted(OSS_KEYS - {*item}))
    for path in sorted((root / "openapi").glob("*.yaml")):
        yield from _find_enum_problems(path.name, yaml.safe_load(path.read_text(encoding="utf-8")))
    for path in sorted((root / "templates").rglob("*.yaml")):
        if path.name not in _RBAC_FILES:
            kinds = set(re.findall(r"^kind: (\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
            yield from (f"{path.name}: {kind} belongs into rbac-for-us.yaml" for kind in sorted(kinds & _RBAC_KINDS))
    for path in sorted((root / "hooks").iterdir()):
        if path.suffix in _SCRIPTS and "SPDX-License-Identifier" not in path.read_text(encoding="utf-8"):
            yield f"hooks/{path.name} has no licence line"


def _find_definition_problems(definition: Mapping[str, Any]) -> Iterator[str]:
    if definition.get("name") != MODULE:
        yield "module.yaml: name"
    if definition.get("stage") not in STAGES:
        yield f"module.yaml: stage is none of {', '.join(STAGES)}"
    if not (definition.get("descriptions") or {}).get("en"):
        yield "module.yaml: descriptions.en is missing"
    if not (definition.get("requirements") or {}).get("deckhouse"):
        yield "module.yaml: requirements.deckhouse is missing"
    if "weight" in definition:
        yield "module.yaml: weight does not go with requirements.deckhouse"


def _find_enum_problems(file: str, schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for word in schema.get("enum") or ():
            if isinstance(word, str) and not re.fullmatch(r"([A-Z][a-z0-9]*)+|", word):
                yield f"{file}: enum value {word} is not CamelCase"
        for value in schema.values():
            yield from _find_enum_problems(file, value)


def find_manifest_problems(manifests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with rendered objects."""
    kinds = [(item["kind"], item) for item in manifests]
    for kind, item in kinds:
        name = f"{kind} {item['metadata']['name']}"
        labels = item["metadata"].get("labels") or {}
        yield from (f"{name} has no label {label}" for label in ("module", "heritage") if label not in labels)
        if kind in _RBAC_KINDS and MODULE not in item["metadata"]["name"].split("-"):
            yield f"{name}: its name does not say the module"
        for rule in item.get("rules") or ():
            if any("*" in rule.get(key, ()) for key in ("apiGroups", "resources", "verbs")):
                yield f"{name} has a wildcard"
        if kind == "Service":
            ports = item["spec"].get("ports") or ()
            yield from (f"{name}: targetPort {port.get('targetPort')} is no name" for port in ports
                        if not isinstance(port.get("targetPort"), str))  # fmt: skip
        if kind == "Deployment":
            yield from _find_deployment_problems(name, item, manifests)


def _find_deployment_problems(
    name: str, item: Mapping[str, Any], manifests: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    spec, pod = item["spec"], item["spec"]["template"]["spec"]
    if "revisionHistoryLimit" not in spec:
        yield f"{name} has no revisionHistoryLimit"
    if pod.get("priorityClassName") not in PRIORITIES:
        yield f"{name}: priority class {pod.get('priorityClassName')} is none of the platform's"
    labels = spec["template"]["metadata"]["labels"]
    budgets = [one["spec"]["selector"]["matchLabels"] for one in manifests if one["kind"] == "PodDisruptionBudget"]
    if not any(budget.items() <= labels.items() for budget in budgets):
        yield f"{name} has no PodDisruptionBudget"
    bounded = {
        policy["containerName"]
        for one in manifests
        if one["kind"] == "VerticalPodAutoscaler" and one["spec"]["targetRef"]["name"] == item["metadata"]["name"]
        for policy in one["spec"]["resourcePolicy"]["containerPolicies"]
        if policy.get("minAllowed") and policy.get("maxAllowed")
    }
    for container in [*(pod.get("initContainers") or ()), *pod["containers"]]:
        where = f"{name}, container {container['name']}"
        if container["name"] not in bounded:
            yield f"{where}: no bounds for the vertical autoscaler"
        yield from (f"{where}: {problem}" for problem in _find_container_problems(container, pod))
    for container in pod["containers"]:
        for probe in ("livenessProbe", "readinessProbe"):
            if probe not in container:
                yield f"{name}, container {container['name']}: no {probe}"


def _find_container_problems(container: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    security = {**(pod.get("securityContext") or {}), **(container.get("securityContext") or {})}
    wanted: tuple[tuple[str, object], ...] = (
        ("readOnlyRootFilesystem", True),
        ("allowPrivilegeEscalation", False),
        ("runAsNonRoot", True),
        ("seccompProfile", {"type": "RuntimeDefault"}),
    )
    yield from (f"{key} is not {value}" for key, value in wanted if security.get(key) != value)
    if not security.get("runAsUser"):
        yield "runs as root"
    if "ephemeral-storage" not in ((container.get("resources") or {}).get("requests") or {}):
        yield "no request for ephemeral-storage"
    for port in container.get("ports") or ():
        if port["containerPort"] <= 1024:
            yield f"port {port['containerPort']} is up to 1024"
        if pod.get("hostNetwork") and not 4200 <= port["containerPort"] <= 4299:
            yield f"port {port['containerPort']} of the host is outside 4200 to 4299"
