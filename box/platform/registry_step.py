# SPDX-License-Identifier: Apache-2.0
"""Steps of the platform that concern the registry of nodes: 001 (version), 005 (system CA), 030 (registry.d)."""

import json

from box.platform.registry_config import FOLDER, RegistryConfig, build_ca_path, render_hosts_toml

SYSTEM_CA = "/etc/ssl/certs/d8-registry-ca.pem"

_REMOVAL = f"""
state={FOLDER}/deckhouse_hosts_state.json
new='@HOSTS@'
old='[]'
if [[ -f "$state" ]]; then old=$(< "$state"); fi
while IFS= read -r host; do
  rm -rf "{FOLDER}/${{host:?}}"
done < <(/opt/deckhouse/bin/jq -r --argjson new "$new" '. - $new | .[]' <<< "$old")
echo "$new" > "$state"
"""


def render_version_step(config: RegistryConfig) -> str:
    """Render step 001: the Node says the version early, before anything of it is written: it proves nothing."""
    annotation = json.dumps({"registry.deckhouse.io/version": config.version})
    return f"""if [[ $FIRST_BASHIBLE_RUN != yes ]]; then
  bb-annotate-node '{annotation}'
fi
"""


def render_ca_step(config: RegistryConfig) -> str:
    """Render step 005: the registry's CA is a node's own trust only while containerd has no `config_path`."""
    if config.plain is None or not config.plain.ca:
        return f"rm -f {SYSTEM_CA}\n"
    ca = config.plain.ca.rstrip("\n")
    # containerd reads the system's certificates once, when it starts.
    return f"""_on_registry_ca_changed() {{ bb-flag-set containerd-need-restart; }}
bb-event-on registry-ca-changed _on_registry_ca_changed
mkdir -p /etc/ssl/certs
bb-sync-file {SYSTEM_CA} - registry-ca-changed << "EOF"
{ca}
EOF
"""


def render_registry_step(config: RegistryConfig) -> str:
    """Render step 030: the folders of every host, and the removal of those that this step made earlier.

    hosts.toml goes through an unquoted here-document, as on the platform: a `$` in it is the shell's.
    """
    lines: list[str] = [f"mkdir -p {FOLDER}"]
    for host, mirrors in config.hosts:
        lines.append(f"mkdir -p '{FOLDER}/{host}'")
        for mirror in mirrors:
            if mirror.scheme == "https" and mirror.ca:
                lines += [f"bb-sync-file '{build_ca_path(host, mirror)}' - << \"EOF\"", mirror.ca.rstrip("\n"), "EOF"]
        lines += [f"bb-sync-file '{FOLDER}/{host}/hosts.toml' - << EOF"]
        lines += [render_hosts_toml(host, mirrors).rstrip("\n"), "EOF"]
    hosts = json.dumps([host for host, _ in config.hosts], separators=(",", ":"))
    return "\n".join(lines) + _REMOVAL.replace("@HOSTS@", hosts)
