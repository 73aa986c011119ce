# SPDX-License-Identifier: Apache-2.0
"""What the platform's bootstrap leaves on a new node to configure it: bashible and its units."""

import shutil
from pathlib import Path

from box.platform.systemd.enablement import enable_unit

_SOURCES = Path(__file__).parent / "node"


def install_node(root: Path, group: str) -> None:
    """Put bashible onto a node before its first boot.

    `root` is a folder with the node's own `etc` and `var`. The steps use `jq` and `kubectl` of /opt/deckhouse/bin,
    which the node must bring.
    """
    bashible = root / "var/lib/bashible"
    bashible.mkdir(parents=True, exist_ok=True)
    for name in ("bashible.sh", "bashbooster.sh"):
        shutil.copyfile(_SOURCES / name, bashible / name)
    (bashible / "bashible.sh").chmod(0o755)
    (bashible / "node.env").write_text(f"NODE_GROUP={group}\n", encoding="utf-8")
    units = root / "etc/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    for name in ("bashible.service", "bashible.timer"):
        shutil.copyfile(_SOURCES / name, units / name)
    enable_unit(root, "bashible.timer")
