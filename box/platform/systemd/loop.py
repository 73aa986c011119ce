# SPDX-License-Identifier: Apache-2.0
"""The event loop of the init process: descriptors, moments, ended children."""

import ctypes
import heapq
import itertools
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(order=True, slots=True)
class Moment:
    """A call that the loop owes at `at` (seconds of the monotonic clock)."""

    at: float
    number: int
    call: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        """Drop the call; a second cancel does nothing."""
        self.call = None


class Loop:
    """One thread that waits for descriptors, moments and children; it reaps every orphan given to it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._moments: list[Moment] = []
        self._numbers = itertools.count()
        self._children: dict[int, Callable[[int], None]] = {}
        self._stopped = False

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def call_at(self, at: float, call: Callable[[], None]) -> Moment:
        """Owe `call` at a moment; never earlier."""
        moment = Moment(at, next(self._numbers), call)
        heapq.heappush(self._moments, moment)
        return moment

    def watch(self, descriptor: int, call: Callable[[], None]) -> None:
        """Call whenever the descriptor can be read."""
        self._selector.register(descriptor, selectors.EVENT_READ, call)

    def unwatch(self, descriptor: int) -> None:
        """Forget a descriptor."""
        self._selector.unregister(descriptor)

    def on_child(self, pid: int, call: Callable[[int], None]) -> None:
        """Call once with the exit code of child `pid`, negative for a signal, as `os.waitstatus_to_exitcode`."""
        self._children[pid] = call

    def stop(self) -> None:
        """End `run` after the present round."""
        self._stopped = True

    def adopt_orphans(self, on_signal: Callable[[], None]) -> None:
        """Become the reaper of orphans and call `on_signal` at SIGTERM or SIGINT."""
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._wakeup = (reader, writer)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

        def read_signals() -> None:
            received = reader.recv(4096)
            if signal.SIGTERM in received or signal.SIGINT in received:
                on_signal()

        self.watch(reader.fileno(), read_signals)

    def run(self) -> None:
        """Serve until `stop`."""
        while not self._stopped:
            self._reap()
            self._run_due()
            if self._stopped:
                return
            for key, _ in self._selector.select(self._time_to_next()):
                key.data()

    def _time_to_next(self) -> float | None:
        while self._moments and self._moments[0].call is None:
            heapq.heappop(self._moments)
        return max(0.0, self._moments[0].at - self.now()) if self._moments else None

    def _run_due(self) -> None:
        while self._moments and self._moments[0].at <= self.now():
            call = heapq.heappop(self._moments).call
            if call is not None:
                call()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            call = self._children.pop(pid, None)
            if call is not None:
                call(os.waitstatus_to_exitcode(status))
