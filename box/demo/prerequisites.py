# SPDX-License-Identifier: Apache-2.0
"""What this machine needs before anything is started, all of it said at once."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from box.errors import BoxError
from box.layout import DATA, cache_folder
from box.machine import PROGRAMS

NEEDED_GIB = 6


def list_lacks(
    user: int, find: Callable[[str], str | None], free_bytes: Mapping[str, int], programs: Mapping[str, str] = PROGRAMS
) -> tuple[str, ...]:
    """Name everything that is missing: root, programs with their packages, disk by folder."""
    lacks = [] if user == 0 else ["root: network namespaces and mounts are made; run it as root"]
    lacks += [f"program {name}: apt-get install {package}" for name, package in programs.items() if not find(name)]
    lacks += [] if find("go") else ["program go: 1.26 or newer, from its makers"]
    lacks += [
        f"disk: {folder} has {free / 2**30:.1f} GiB free, {NEEDED_GIB} are needed"
        for folder, free in free_bytes.items()
        if free < NEEDED_GIB * 2**30
    ]
    return tuple(lacks)


def check_machine() -> None:
    """Raise BoxError with everything that this machine lacks."""
    free = {str(path): shutil.disk_usage(_find_existing(path)).free for path in (cache_folder(), DATA)}
    lacks = list_lacks(os.geteuid(), shutil.which, free)
    if lacks:
        raise BoxError("this machine lacks:\n  " + "\n  ".join(lacks))


def _find_existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.is_dir())
