# SPDX-License-Identifier: Apache-2.0
"""`journalctl` of a box node: prints the logs that the stand-in for journald keeps."""

import argparse
import os
import re
import sys
import time
from pathlib import Path

from box.platform.systemd.journal import build_log_path


def strip_level(line: str) -> str:
    """Drop the level that a program put before its line (`<5>`, sd-daemon(3)), as journald does."""
    return re.sub(r"^<[0-7]>", "", line)


def main() -> int:
    """Print the last lines of a unit's log, and with -f those that follow; returns the exit status."""
    parser = argparse.ArgumentParser(prog="journalctl", description=__doc__)
    parser.add_argument("-u", "--unit", default="systemd", help="unit; without it the init process itself")
    parser.add_argument("-n", "--lines", type=int, default=0, help="last lines only; 0 for all")
    parser.add_argument("-f", "--follow", action="store_true")
    parser.add_argument("--no-pager", action="store_true")
    parser.add_argument("-o", "--output", help="accepted: there is one format only")
    options = parser.parse_args()
    unit: str = options.unit
    if unit != "systemd" and "." not in unit:
        unit += ".service"
    path = build_log_path(Path(os.environ.get("BOX_SYSTEMD_ROOT", "/")), unit)
    if not path.is_file():
        print(f"-- no entries for {unit} --")
        return 0
    with path.open(encoding="utf-8", errors="replace") as log:
        lines = log.readlines()
        sys.stdout.writelines(map(strip_level, lines[-options.lines :]))
        while options.follow:
            sys.stdout.writelines(map(strip_level, log))
            sys.stdout.flush()
            time.sleep(0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
