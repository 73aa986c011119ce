# SPDX-License-Identifier: Apache-2.0
"""Step 032 of the platform: containerd's configuration, for whichever generation the node has.

`config_path` is on only when nodes are configured from `registry-bashible-config`. Without it the login of the one
registry stands in containerd's own configuration, and its CA in the node's system store (step 005).
"""

from box.images.platform import PAUSE_REFERENCE
from box.platform.registry_config import FOLDER, Mirror, RegistryConfig

# `restrict_oom_score_adj` is the box's own: without CAP_SYS_RESOURCE no score can be lowered.
_V1 = """\
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "@PAUSE@"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  discard_unpacked_layers = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin"
"""

_V2 = """\
version = 3
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  discard_unpacked_layers = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "@PAUSE@"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/opt/cni/bin"]
  conf_dir = "/etc/cni/net.d"
"""

_REGISTRY = {1: '[plugins."io.containerd.grpc.v1.cri".registry', 2: "[plugins.'io.containerd.cri.v1.images'.registry"}

_STEP = """\
_on_containerd_config_changed() { bb-flag-set containerd-need-restart; }
bb-event-on containerd-config-changed _on_containerd_config_changed

config=$(bb-tmp-file)
if [[ $(/opt/deckhouse/bin/containerd --version) == *" v1."* ]]; then
  cat > "$config" <<"END_OF_CONFIG"
@V1@END_OF_CONFIG
else
  cat > "$config" <<"END_OF_CONFIG"
@V2@END_OF_CONFIG
fi
# A user's drop-ins become part of the one file; the platform merges them more cleverly, to the same effect.
kind=default
for extra in /etc/containerd/conf.d/*.toml; do
  [[ -e $extra ]] || continue
  grep -v '^version' "$extra" >> "$config"
  if grep -Eq 'registry.*\\.(mirrors|configs)|config_path' "$extra"; then kind=custom; fi
done
bb-sync-file /etc/containerd/config.toml "$config" containerd-config-changed
if [[ $FIRST_BASHIBLE_RUN != yes ]]; then
  bb-label-node "{\\"node.deckhouse.io/containerd-config-registry\\": \\"$kind\\"}"
fi
"""


def render_containerd_step(config: RegistryConfig) -> str:
    """Render the step; its text holds the registry's login while `config_path` is off, as on the platform."""
    return _STEP.replace("@V1@", render_containerd_config(1, config)).replace(
        "@V2@", render_containerd_config(2, config)
    )


def render_containerd_config(major: int, config: RegistryConfig) -> str:
    """Render containerd's configuration for its major version, 1 or 2."""
    registry = _REGISTRY[major]
    text = (_V1 if major == 1 else _V2).replace("@PAUSE@", PAUSE_REFERENCE)
    if config.plain is None:
        return f'{text}{registry}]\n  config_path = "{FOLDER}"\n'
    return text + _render_plain(registry, config.plain)


def _render_plain(registry: str, source: Mirror) -> str:
    text = f'{registry}.mirrors."{source.host}"]\n  endpoint = ["{source.url}"]\n'
    if source.auth:
        text += f'{registry}.configs."{source.host}".auth]\n  auth = "{source.auth}"\n'
    return text
