# SPDX-License-Identifier: Apache-2.0
"""Faults of a node, by the words that commands and tests say."""

from collections.abc import Sequence

from box import fulldisk, nodeclock
from box.errors import BoxError, suggest
from box.inventory import get_node
from box.layout import Node

WORDS = {
    "disk-full": "no byte can be written where registry-node and bashible keep registry files",
    "disk-free": "that is over; what was written meanwhile stays",
    "clock +3h": "the clock is ahead by so much; seconds, minutes, hours, days: 90s, 20m, 3h, 1d",
    "clock -1d": "the clock is behind: what is valid today is not valid yet",
    "clock reset": "the clock is right again",
}


def set_fault(name: str, words: Sequence[str]) -> None:
    """Set or clear a node's fault; raises BoxError for words that say none, and for a node that is down."""
    match tuple(words):
        case ("disk-full",):
            fulldisk.fill(name)
        case ("disk-free",):
            fulldisk.free(name)
        case ("clock", "reset"):
            nodeclock.reset_clock(get_node(name))
        case ("clock", offset):
            nodeclock.set_clock(name, nodeclock.parse_offset(offset))
        case ():
            raise BoxError(f"say what is to be wrong on {name}: {', '.join(WORDS)}")
        case ("clock",):
            raise BoxError("clock: say by how much it is wrong: +3h, -1d, or reset")
        case _:
            known = sorted({word.split()[0] for word in WORDS})
            raise BoxError(f"`{' '.join(words)}` is no fault of a node{suggest(words[0], known)}")


def list_faults(node: Node) -> tuple[str, ...]:
    """Return the faults that a node has now, in those words."""
    clock = nodeclock.describe_offset(nodeclock.read_clock(node))
    return (*(("disk-full",) if fulldisk.is_full(node) else ()), *((f"clock {clock}",) if clock else ()))
