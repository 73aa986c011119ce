# SPDX-License-Identifier: Apache-2.0
"""The journal of a node: one text file a unit below /var/log/journal-standin, written by the units themselves."""

import os
import time
from pathlib import Path

FOLDER = "var/log/journal-standin"


def build_log_path(root: Path, unit: str) -> Path:
    """Where a unit's output goes; `systemd` is the init process itself."""
    return root / FOLDER / f"{unit}.log"


class Journal:
    """Appends the init process's own lines; the output of units goes past it straight into their files."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / FOLDER).mkdir(parents=True, exist_ok=True)

    def open_output(self, unit: str) -> int:
        """Open a descriptor that appends to the unit's log; the caller closes it."""
        return os.open(build_log_path(self._root, unit), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def write(self, unit: str, line: str) -> None:
        """Append a line of the init process about a unit, to the unit's log and to its own."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        for name in {unit, "systemd"}:
            about = f"{unit}: " if name == "systemd" and unit != "systemd" else ""
            with build_log_path(self._root, name).open("a", encoding="utf-8") as log:
                log.write(f"{stamp}Z systemd[{os.getpid()}]: {about}{line}\n")
