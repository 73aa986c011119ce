# SPDX-License-Identifier: Apache-2.0
"""Puts this stand-in's `systemctl` and `journalctl` in the place of the machine's inside a node.

A node shows the machine's /usr. The machine's own systemctl would be found by whatever looks there, and would talk
to this process in a language that it does not speak.
"""

import ctypes
import os
import shlex
import sys
from pathlib import Path

_MS_BIND = 4096
_FOLDERS = (Path("/usr/bin"), Path("/bin"))
_SCRIPT = """#!/bin/sh
# Written by the stand-in for systemd.
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={repository} exec {python} -m box.platform.systemd.{name} "$@"
"""


def cover_programs(repository: Path) -> None:
    """Bind scripts of our own over the machine's programs, in the mount namespace of this process.

    A program that the machine lacks stays absent there and is found on the PATH of the units only. OSError when a
    mount fails.
    """
    library = ctypes.CDLL(None, use_errno=True)
    scripts = Path("/run/systemd/standin")
    scripts.mkdir(parents=True, exist_ok=True)
    for name in ("systemctl", "journalctl"):
        script = scripts / name
        paths = {"repository": shlex.quote(str(repository)), "python": shlex.quote(sys.executable)}
        script.write_text(_SCRIPT.format(name=name, **paths), encoding="utf-8")
        script.chmod(0o755)
        for target in {(folder / name).resolve() for folder in _FOLDERS if (folder / name).exists()}:
            if library.mount(os.fsencode(script), os.fsencode(target), None, ctypes.c_ulong(_MS_BIND), None):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(target))
