# SPDX-License-Identifier: Apache-2.0
"""The bundle of a node group: the platform's own steps, as far as they concern the registry, and those of modules."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from box.platform.containerd_step import render_containerd_step
from box.platform.go_template import render_literals
from box.platform.registry_config import RegistryConfig
from box.platform.registry_step import render_ca_step, render_registry_step, render_version_step

BUNDLE = "debian"
"""The operating system bundle that the box's nodes are."""

_CONSTANT = Path(__file__).parent / "node" / "steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a bundle; they run in the order of their names."""

    name: str
    content: str


def build_bundle(group: str, configurations: Sequence[Mapping[str, Any]], config: RegistryConfig) -> tuple[Step, ...]:
    """Build the steps of a node group in their order; TemplateError names the object that cannot be rendered."""
    steps = [Step(name=path.name, content=path.read_text(encoding="utf-8")) for path in _CONSTANT.glob("*.sh")]
    steps += [
        Step(name="001_set_registry_version.sh", content=render_version_step(config)),
        Step(name="005_add_registry_ca.sh", content=render_ca_step(config)),
        Step(name="030_configure_containerd_registry.sh", content=render_registry_step(config)),
        Step(name="032_configure_containerd.sh", content=render_containerd_step(config)),
    ]
    for item in configurations:
        spec = item["spec"]
        if _is_meant(spec.get("nodeGroups"), group) and _is_meant(spec.get("bundles"), BUNDLE):
            name = f"{int(spec.get('weight', 100)):03d}_{item['metadata']['name']}"
            steps.append(Step(name=name, content=render_literals(spec["content"])))
    return tuple(sorted(steps, key=lambda step: step.name))


def compute_checksum(steps: Sequence[Step]) -> str:
    """Hash every name and text of a bundle: what a node says that it is configured with."""
    return hashlib.sha256(json.dumps(_list_steps(steps)).encode()).hexdigest()


def write_bundle(steps: Sequence[Step]) -> str:
    """Write a bundle as nodes read it: JSON with its checksum."""
    return json.dumps({"checksum": compute_checksum(steps), "steps": _list_steps(steps)})


def _list_steps(steps: Sequence[Step]) -> list[dict[str, str]]:
    return [{"name": step.name, "content": step.content} for step in steps]


def _is_meant(wanted: Sequence[str] | None, name: str) -> bool:
    return bool(wanted) and bool({"*", name} & set(wanted or ()))
