# SPDX-License-Identifier: Apache-2.0
"""What the platform's bootstrap leaves on a new node to configure it: bashible and its units."""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from box.platform.systemd.enablement import enable_unit

_SOURCES = Path(__file__).parent / "node"


def install_node(root: Path, variables: Mapping[str, str]) -> None:
    """Put bashible onto a node before its first boot.

    `root` is a folder with the node's own `etc` and `var`; `variables` are what the steps know of the node: NODE_GROUP,
    API_SERVER, PAUSE_ARCHIVE, PAUSE_REFERENCE. The node must bring the programs of /opt/deckhouse/bin, the cluster's CA
    as /etc/kubernetes/pki/ca.crt, the identity of its first boot as /var/lib/bashible/bootstrap.pem, and the units of
    containerd and kubelet, which the steps start.
    """
    bashible = root / "var/lib/bashible"
    bashible.mkdir(parents=True, exist_ok=True)
    for name in ("bashible.sh", "bashbooster.sh"):
        shutil.copyfile(_SOURCES / name, bashible / name)
    (bashible / "bashible.sh").chmod(0o755)
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in variables.items()]
    (bashible / "node.env").write_text("".join(lines), encoding="utf-8")
    units = root / "etc/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    for name in ("bashible.service", "bashible.timer"):
        shutil.copyfile(_SOURCES / name, units / name)
    enable_unit(root, "bashible.timer")
