# SPDX-License-Identifier: Apache-2.0
"""How much memory processes and all that they have started take; what several share is divided among them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What all processes of a kind take: how many they are, and MiB."""

    kind: str
    count: int
    size: int


def measure(roots: Iterable[int]) -> int:
    """Return the MiB of the processes `roots` with all their descendants, each counted once."""
    return sum(map(_read_size, _list_descendants(roots))) // 1024


def measure_kinds(roots: Iterable[int]) -> tuple[Share, ...]:
    """Return what each kind of the same processes takes, the largest first; what takes nothing is left out."""
    sizes: defaultdict[str, list[int]] = defaultdict(list)
    for pid in _list_descendants(roots):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if size := _read_size(pid):
            sizes[name_kind(arguments)].append(size)
    shares = (Share(kind=kind, count=len(each), size=sum(each) // 1024) for kind, each in sizes.items())
    return tuple(sorted(shares, key=lambda share: (-share.size, share.kind)))


def name_kind(arguments: bytes) -> str:
    """Return the name of the program, or of the module or script that Python runs."""
    words = [word.decode(errors="replace") for word in arguments.rstrip(b"\0").split(b"\0")]
    program = Path(words[0].split(": ")[0]).name  # nginx calls itself `nginx: worker process`
    if not program.startswith("python"):
        return program
    if "-m" in words[:-1]:
        return f"python {words[words.index('-m') + 1]}"
    script = next((word for word in words[1:] if not word.startswith("-")), "")
    return "python" if "-c" in words else f"python {Path(script).name}".strip()


def _list_descendants(roots: Iterable[int]) -> set[int]:
    children = _list_children()
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in seen:
            seen.add(pid)
            waiting += children[pid]
    return seen


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
