# SPDX-License-Identifier: Apache-2.0
"""Run the stand-in for systemd: as process 1 of a box node, or with a scratch root as a normal process.

`python -m box.platform.systemd [--root DIR]`. SIGTERM or SIGINT stop every unit and end it.
"""

import argparse
import os
import socket
import sys
from pathlib import Path

from box.platform.systemd.control import ControlServer
from box.platform.systemd.loop import Loop
from box.platform.systemd.manager import Manager
from box.platform.systemd.programs import cover_programs
from box.platform.systemd.verbs import Verbs

_REPOSITORY = Path(__file__).resolve().parents[3]


def build_base_environment(root: Path) -> dict[str, str]:
    """Build what every process of a unit has in its environment; `systemctl` comes first on the PATH."""
    folders = f"{_REPOSITORY}/box/platform/bin:/opt/deckhouse/bin"
    environment = {
        "PATH": f"{folders}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/root",
        "BOX_PYTHON": sys.executable,
    }
    if root != Path("/"):
        environment["BOX_SYSTEMD_ROOT"] = str(root)
    return environment


def main() -> int:
    """Boot and serve until told to end; returns the exit status."""
    parser = argparse.ArgumentParser(prog="box.platform.systemd", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("/"), help="scratch root, for tests")
    options = parser.parse_args()
    root: Path = options.root.resolve()
    if os.getpid() == 1:
        cover_programs(_REPOSITORY)
    loop = Loop()
    manager = Manager(root, loop, socket.gethostname(), build_base_environment(root))
    loop.adopt_orphans(manager.shut_down)
    ControlServer(root, loop, Verbs(manager).serve)
    manager.journal.write("systemd", f"stand-in for systemd is up as process {os.getpid()}")
    manager.boot_up()
    loop.run()
    manager.journal.write("systemd", "stand-in for systemd ends")
    return 0


if __name__ == "__main__":
    sys.exit(main())
