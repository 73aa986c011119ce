# SPDX-License-Identifier: Apache-2.0
"""Only one `up` or `down` at a time.

The lock is an abstract Unix socket: it leaves no file, the kernel frees it with its holder however that one dies, and
it tells the pid of the holder to who asks.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_NAME = "\0d8-registry-box"


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
