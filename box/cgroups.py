# SPDX-License-Identifier: Apache-2.0
"""One cgroup a node under every controller (cgroup v1), or one in the unified tree (v2)."""

import contextlib
import time
from pathlib import Path

from box.layout import PREFIX
from box.walk import walk_folders

_ROOT = Path("/sys/fs/cgroup")


def _hierarchies() -> list[Path]:
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return sorted(path for path in _ROOT.iterdir() if path.is_dir() and not path.is_symlink())


def create(name: str) -> None:
    """Create the cgroup everywhere; CPU sets are filled from their parent, or no process could enter them."""
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists() and (hierarchy / file).exists():
                (group / file).write_text((hierarchy / file).read_text(encoding="ascii"), encoding="ascii")


def list_groups() -> list[Path]:
    """Return the box's cgroups that there are, children before parents."""
    tops = [path for hierarchy in _hierarchies() for path in hierarchy.glob(f"{PREFIX}*")]
    return [group for top in tops for group in [*sorted(walk_folders(top), reverse=True), top]]


def list_members() -> set[int]:
    """Return the pids of all processes in cgroups of the box."""
    found: set[int] = set()
    for group in list_groups():
        try:
            found.update(int(pid) for pid in (group / "cgroup.procs").read_text(encoding="ascii").split())
        except OSError:
            continue  # the group went meanwhile, or its kind of member cannot be listed (threaded)
    return found


def remove_group(name: str, seconds: float = 10.0) -> None:
    """Remove one node's cgroups; what still has members after `seconds` stays, for `down` to name."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        left = [group for group in list_groups() if name in group.relative_to(_ROOT).parts]
        for group in left:
            with contextlib.suppress(OSError):
                group.rmdir()
        if not left:
            return
        time.sleep(0.05)


def remove(seconds: float = 10.0) -> list[Path]:
    """Remove the box's cgroups; returns those that still had members after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        left = []
        for group in list_groups():
            try:
                group.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                left.append(group)
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.05)
