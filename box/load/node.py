# SPDX-License-Identifier: Apache-2.0
"""What the load and the judge do on a node of the box: its image store, its files, its containerd."""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from box import node as nodes
from box.errors import BoxError
from box.layout import Node
from box.process import read_start_time
from box.walk import walk_files, walk_folders

_STORE_SECONDS = 20.0


def forget_image(node: Node, names: Sequence[str]) -> None:
    """Remove names from the node's image store, and content that has no name left with them.

    Names that are not there are fine. Waits while containerd is being restarted; raises BoxError when its store does
    not answer in 20 s.
    """
    deadline = time.monotonic() + _STORE_SECONDS
    while True:
        try:
            nodes.exec(node.name, ["ctr", "--namespace", "k8s.io", "images", "rm", "--sync", *names])
        except BoxError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def drop_dead_leases(node: Node) -> None:
    """End the leases of pulls that the last restart of containerd cut.

    They keep what had come, for a day, and the next pull of the image would ask no registry for it.
    """
    found = read_containerd_start(node).split()
    if not found:
        return
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(found[1]) / os.sysconf("SC_CLK_TCK")
    leases = nodes.exec(node.name, ["ctr", "--namespace", "k8s.io", "leases", "ls"]).stdout
    if dead := list_dead_leases(leases, datetime.fromtimestamp(time.time() - age, UTC)):
        nodes.exec(node.name, ["ctr", "--namespace", "k8s.io", "leases", "rm", "--sync", *dead])


def list_dead_leases(text: str, restarted: datetime) -> tuple[str, ...]:
    """Return the leases of pulls (they expire, those of sandboxes do not) that began before containerd did."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return tuple(
        name
        for name, created, labels in rows
        if "containerd.io/gc.expire=" in labels and datetime.fromisoformat(created) <= restarted
    )


def read_folders(node: Node) -> dict[str, dict[str, str]]:
    """Texts of the files in the node's registry.d, by folder and file name; files beside the folders in folder ``."""
    root = node.disk / "etc/containerd/registry.d"
    found: dict[str, dict[str, str]] = {}
    for path in walk_folders(root):
        found.setdefault(str(path.relative_to(root)), {})
    for path in walk_files(root):
        folder = str(path.parent.relative_to(root)) if path.parent != root else ""
        with contextlib.suppress(FileNotFoundError):
            found.setdefault(folder, {})[path.name] = path.read_text(encoding="utf-8", errors="replace")
    return found


def read_containerd_start(node: Node) -> str:
    """Process id and start time of the node's containerd, or the empty text while none runs."""
    namespace = Path("/run/netns", node.namespace).stat().st_ino
    found: list[tuple[int, int]] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if is_daemon((entry / "cmdline").read_bytes()) and (entry / "ns/net").stat().st_ino == namespace:
                found.append((read_start_time(int(entry.name)) or 0, int(entry.name)))
        except (FileNotFoundError, ProcessLookupError):
            continue
    # A child that has not become a shim yet has its parent's arguments, and is younger.
    started, pid = min((one for one in found if one[0]), default=(0, 0))
    return f"{pid} {started}" if pid else ""


def is_daemon(arguments: bytes) -> bool:
    """Whether a process with these arguments is containerd itself, and not one that is asked for its version."""
    words = arguments.rstrip(b"\0").split(b"\0")
    return len(words) == 1 and words[0].endswith(b"/containerd")


def was_containerd_restarted(node: Node, since: datetime) -> bool:
    """Whether the node's containerd is away, or was started at or after `since` (to two seconds)."""
    found = read_containerd_start(node).split()
    if not found:
        return True
    stat = Path("/proc/stat").read_text(encoding="ascii")
    boot = next(int(line.split()[1]) for line in stat.splitlines() if line.startswith("btime "))
    return boot + int(found[1]) / os.sysconf("SC_CLK_TCK") >= since.timestamp() - 2


def read_texts(roots: Mapping[str, Path], largest: int = 64 * 1024 * 1024) -> dict[str, str]:
    """Texts of all files below folders, by `<key>/<path>`; files above `largest` bytes are not read."""
    texts = {}
    for key, root in roots.items():
        for path in walk_files(root):
            try:
                if path.is_file() and not path.is_symlink() and path.stat().st_size <= largest:
                    texts[f"{key}/{path.relative_to(root)}"] = path.read_text(encoding="utf-8", errors="replace")
            except FileNotFoundError:
                continue
    return texts
