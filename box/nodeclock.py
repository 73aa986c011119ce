# SPDX-License-Identifier: Apache-2.0
"""A node's wall clock is wrong by so many seconds, as after years with a dead battery and no time server.

One file on the node says by how much. containerd, its shim and ctr look at it themselves (`goclock`), running ones
too; programs of the C library (bash, date, curl, jq, Python) read it by way of libfaketime, those that start from
then on. What is left right: the kubelet, pods, and process 1. A boot ends the fault: the time comes from outside then.
"""

import re
from pathlib import Path

from box.errors import BoxError
from box.inventory import get_node
from box.layout import Node
from box.node import find_init

LIBRARY = "/opt/box/lib/libfaketime.so.1"
"""Where every node has the library, wherever the cache is."""

_FILE = "etc/faketimerc"
_PRELOAD = "etc/ld.so.preload"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_OFFSET = re.compile(r"([+-])([0-9]{1,6})([smhd])")


def parse_offset(word: str) -> int:
    """Return the seconds of `+3h` or `-1d`; raises BoxError for anything else."""
    match = _OFFSET.fullmatch(word)
    if match is None or not int(match[2]):
        raise BoxError(f"{word} says no time; write +90s, +20m, +3h or -1d (ahead, or behind), or reset")
    seconds = int(match[2]) * _UNITS[match[3]]
    return seconds if match[1] == "+" else -seconds


def describe_offset(seconds: int) -> str:
    """Return the offset in its largest whole unit, as `parse_offset` reads it; empty for none."""
    if not seconds:
        return ""
    name, size = next(each for each in reversed(_UNITS.items()) if seconds % each[1] == 0)
    return f"{seconds // size:+d}{name}"


def set_clock(name: str, seconds: int) -> None:
    """Put a running node's clock wrong; raises BoxError when the node is down."""
    node = get_node(name)
    find_init(node)
    _write(node.disk / _FILE, f"{seconds:+d}\n")
    _write(node.disk / _PRELOAD, f"{LIBRARY}\n")


def reset_clock(node: Node) -> None:
    """Put a node's clock right, running or not; nothing to do when it is."""
    for name in (_PRELOAD, _FILE):
        (node.disk / name).unlink(missing_ok=True)


def read_clock(node: Node) -> int:
    """Return by how many seconds a node's clock is wrong."""
    try:
        return int((node.disk / _FILE).read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="ascii")
    temporary.rename(path)
