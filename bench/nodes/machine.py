# SPDX-License-Identifier: Apache-2.0
"""The machine that measures, and what its processes cost."""

import os
import platform
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def describe_machine() -> str:
    """Name processor, cores, memory and kernel."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    memory = int(next(line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")).split()[1]) >> 20
    return f"{os.cpu_count()} cores of {model}, {memory} GiB, Linux {platform.release()}"


def read_cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def read_load() -> float:
    """The machine's load over the last minute: above its cores, others are working too."""
    return os.getloadavg()[0]


def find_child(name: str) -> int:
    """Return the pid of this process's child with that command name; raises LookupError where there is none."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue  # it has ended meanwhile
        command = text[text.index("(") + 1 : text.rindex(")")]
        if command == name[:15] and int(text.rpartition(")")[2].split()[1]) == os.getpid():
            return int(path.parent.name)
    raise LookupError(f"no child of this process is called {name}")


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
