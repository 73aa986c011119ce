# SPDX-License-Identifier: Apache-2.0
"""The kernel's inotify, by way of the C library."""

import ctypes
import os
import struct
from dataclasses import dataclass
from pathlib import Path

MODIFY = 0x2
ATTRIB = 0x4
CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
_MASK_ADD = 0x20000000

_HEADER = struct.Struct("iIII")
_C = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: the watch it belongs to, and its mask."""

    watch: int
    mask: int


class Inotify:
    """One inotify descriptor; close it when done."""

    def __init__(self) -> None:
        self.descriptor: int = _C.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")

    def add(self, path: Path, mask: int) -> int | None:
        """Watch a path, beside what is watched of it already; None when it does not exist."""
        watch: int = _C.inotify_add_watch(self.descriptor, os.fsencode(path), mask | _MASK_ADD)
        if watch >= 0:
            return watch
        number = ctypes.get_errno()
        if number in {2, 20}:  # ENOENT, ENOTDIR
            return None
        raise OSError(number, os.strerror(number), str(path))

    def read(self) -> list[Event]:
        """Take every event that is there."""
        try:
            data = os.read(self.descriptor, 65536)
        except BlockingIOError:
            return []
        events, position = [], 0
        while position < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, position)
            events.append(Event(watch=watch, mask=mask))
            position += _HEADER.size + length
        return events

    def close(self) -> None:
        """Close the descriptor and with it every watch."""
        os.close(self.descriptor)
