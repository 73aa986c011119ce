# SPDX-License-Identifier: Apache-2.0
"""The upstream's addresses, asked for in a thread of their own: a resolver that hangs must not stop the sidecar."""

import threading
from collections.abc import Callable

from registry_auth.resolving import choose_addresses

Resolve = Callable[[str, int], tuple[str, ...]]
_AGAIN_SECONDS = 10.0


class AddressBook:
    """Addresses of the host that was looked up last."""

    def __init__(self, resolve: Resolve, clock: Callable[[], float]) -> None:
        self._resolve = resolve
        self._clock = clock
        self._lock = threading.Lock()
        self._wanted: tuple[str, int] | None = None
        self._used: tuple[str, ...] = ()
        self._changed = 0.0
        self._asked: float | None = None

    def look_up(self, host: str, port: int) -> tuple[str, ...]:
        """Return the addresses to use, empty as long as none is known; another host is asked for from now on."""
        with self._lock:
            if self._wanted != (host, port):
                self._wanted, self._used, self._asked = (host, port), (), None
            return self._used

    def poll(self) -> None:
        """Ask the resolver if it is time; called over and over by one thread. May take as long as a resolver does."""
        with self._lock:
            wanted = self._wanted
            again = _AGAIN_SECONDS if self._used else 1.0
            if wanted is None or (self._asked is not None and self._clock() - self._asked < again):
                return
        answer = self._resolve(*wanted)
        with self._lock:
            if self._wanted != wanted:
                return
            self._asked = self._clock()
            chosen = choose_addresses(self._used, answer, self._asked - self._changed)
            if chosen != self._used:
                self._used, self._changed = chosen, self._asked
