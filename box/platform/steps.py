# SPDX-License-Identifier: Apache-2.0
"""The platform's own bashible steps, as far as they concern the registry, and the bundle of a node group."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from box.platform.go_template import render_literals
from box.platform.registry_config import RegistryConfig, build_ca_path, render_hosts_toml

BUNDLE = "debian"
"""The operating system bundle that the box's nodes are."""

_DIRECTORY = "/etc/containerd/registry.d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a bundle; they run in the order of their names."""

    name: str
    content: str


def build_bundle(group: str, configurations: Sequence[Mapping[str, Any]], config: RegistryConfig) -> tuple[Step, ...]:
    """Build the steps of a node group in their order; TemplateError names the object that cannot be rendered."""
    steps = [
        Step(name="001_set_registry_version.sh", content=_render_version_step(config)),
        Step(name="030_configure_containerd_registry.sh", content=render_registry_step(config)),
        Step(name="032_set_containerd_config_label.sh", content=_LABEL_STEP),
    ]
    for item in configurations:
        spec = item["spec"]
        if _is_meant(spec.get("nodeGroups"), group) and _is_meant(spec.get("bundles"), BUNDLE):
            name = f"{int(spec.get('weight', 100)):03d}_{item['metadata']['name']}"
            steps.append(Step(name=name, content=render_literals(spec["content"])))
    return tuple(sorted(steps, key=lambda step: step.name))


def write_bundle(steps: Sequence[Step]) -> str:
    """Write a bundle as nodes read it: JSON with a checksum over every name and text."""
    listed = [{"name": step.name, "content": step.content} for step in steps]
    checksum = hashlib.sha256(json.dumps(listed).encode()).hexdigest()
    return json.dumps({"checksum": checksum, "steps": listed})


def render_registry_step(config: RegistryConfig) -> str:
    """Render step 030: the folders of every host, and the removal of those that this step made earlier.

    hosts.toml goes through an unquoted here-document, as on the platform: a `$` in it is the shell's.
    """
    lines: list[str] = []
    for host, mirrors in config.hosts:
        lines.append(f"mkdir -p '{_DIRECTORY}/{host}'")
        for mirror in mirrors:
            if mirror.scheme == "https" and mirror.ca:
                lines += [f"bb-sync-file '{build_ca_path(host, mirror)}' - << \"EOF\"", mirror.ca.rstrip("\n"), "EOF"]
        lines += [f"bb-sync-file '{_DIRECTORY}/{host}/hosts.toml' - << EOF"]
        lines += [render_hosts_toml(host, mirrors).rstrip("\n"), "EOF"]
    hosts = json.dumps([host for host, _ in config.hosts], separators=(",", ":"))
    return "\n".join(lines) + _REMOVAL.replace("@HOSTS@", hosts)


def _render_version_step(config: RegistryConfig) -> str:
    return f"""if [[ "$FIRST_BASHIBLE_RUN" != "yes" ]]; then
  bb-kubectl --request-timeout=60s --kubeconfig=/etc/kubernetes/kubelet.conf annotate node "$D8_NODE_HOSTNAME" \\
    --overwrite 'registry.deckhouse.io/version={config.version}'
fi
"""


def _is_meant(wanted: Sequence[str] | None, name: str) -> bool:
    return bool(wanted) and bool({"*", name} & set(wanted or ()))


_REMOVAL = f"""
state={_DIRECTORY}/deckhouse_hosts_state.json
new='@HOSTS@'
old='[]'
if [[ -f "$state" ]]; then old=$(< "$state"); fi
while IFS= read -r host; do
  rm -rf "{_DIRECTORY:s}/${{host:?}}"
done < <(/opt/deckhouse/bin/jq -r --argjson new "$new" '. - $new | .[]' <<< "$old")
echo "$new" > "$state"
"""

_LABEL_STEP = """kind=default
if grep -Eqs 'registry.*\\.(mirrors|configs)' /etc/containerd/conf.d/*.toml; then kind=custom; fi
if [[ "$FIRST_BASHIBLE_RUN" != "yes" ]]; then
  bb-kubectl --request-timeout=60s --kubeconfig=/etc/kubernetes/kubelet.conf label node "$D8_NODE_HOSTNAME" \\
    --overwrite "node.deckhouse.io/containerd-config-registry=$kind"
fi
"""
