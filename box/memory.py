# SPDX-License-Identifier: Apache-2.0
"""How much memory processes and all that they have started take; what several share is divided among them."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


def measure(roots: Iterable[int]) -> int:
    """Return the MiB of the processes `roots` with all their descendants, each counted once."""
    children = _list_children()
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in seen:
            seen.add(pid)
            waiting += children[pid]
    return sum(map(_read_size, seen)) // 1024


def _list_children() -> defaultdict[int, list[int]]:
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        children[int(fields[1])].append(int(entry.name))
    return children


def _read_size(pid: int) -> int:
    """Return a process's share of memory (PSS) in KiB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0  # it ended meanwhile
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
