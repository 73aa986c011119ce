# SPDX-License-Identifier: Apache-2.0
"""The readiness protocol of sd_notify(3): a datagram socket for each service of Type=notify."""

import socket
from collections.abc import Callable
from pathlib import Path

from box.platform.systemd.loop import Loop


class NotifySocket:
    """Calls `on_ready` at READY=1; anything else that is sent is taken and has no effect."""

    def __init__(self, root: Path, unit: str, loop: Loop, on_ready: Callable[[], None]) -> None:
        self.path = root / "run/systemd/notify" / unit
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self.path))
        self._loop = loop
        self._on_ready = on_ready
        loop.watch(self._socket.fileno(), self._receive)

    def _receive(self) -> None:
        if b"READY=1" in self._socket.recv(4096).splitlines():
            self._on_ready()

    def close(self) -> None:
        """Stop listening."""
        self._loop.unwatch(self._socket.fileno())
        self._socket.close()
        self.path.unlink(missing_ok=True)
