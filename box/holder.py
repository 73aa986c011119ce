# SPDX-License-Identifier: Apache-2.0
"""Only one `up` or `down` at a time.

The lock is an abstract Unix socket: it leaves no file, the kernel frees it with its holder however that one dies, and
it tells the pid of the holder to who asks.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from box.layout import TITLE

_NAME = f"\0{TITLE}"


def find_holder() -> int | None:
    """Return the pid of the `up` or `down` at work now, or None."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(_NAME)
        except ConnectionRefusedError:
            return None
        credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid: int = struct.unpack("3i", credentials)[0]
        return pid


def describe_holder() -> str:
    """Return who is at work on the box now, for a message: pid and command line."""
    pid = find_holder()
    return f"pid {pid} (`{' '.join(read_command(pid))}`)" if pid else "a process that has ended just now"


def read_command(pid: int) -> list[str]:
    """Return the words of a process's command line; none when it has ended."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rstrip("\0").split("\0")


@contextmanager
def hold() -> Iterator[bool]:
    """Hold the lock inside the block; yields False when somebody else has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        try:
            held.bind(_NAME)
        except OSError:
            yield False
            return
        held.listen(8)
        yield True
