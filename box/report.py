# SPDX-License-Identifier: Apache-2.0
"""Progress on the terminal: what is done now, which part of how many, for how long."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

_WIDE = 200


class Report:
    """Prints lines that begin with the seconds since its creation; quiet ones only show when they take long."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the creation of this report."""
        return time.monotonic() - self._begin

    def line(self, text: str) -> None:
        """Print one line."""
        print(f"{self.elapsed:6.1f}s  {text}", flush=True)

    @contextmanager
    def stage(self, text: str, every: float = 15.0) -> Iterator[None]:
        """Print `text` before, a sign of life every `every` seconds meanwhile, and the time it took after."""
        self.line(f"{text} ...")
        begin = time.monotonic()
        over = threading.Event()

        def live() -> None:
            while not over.wait(every):
                self.line(f"{text}: still at it, {time.monotonic() - begin:.0f} s so far")

        watcher = threading.Thread(target=live, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
        took = time.monotonic() - begin
        if took >= 0.5:
            self.line(f"{text}: done in {took:.1f} s")


def open_console() -> Console:
    """Return where tables go: as wide as the terminal, or wide enough for a line that a program reads."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


def complain(text: str) -> None:
    """Print an error on standard error."""
    print(f"box: {text}", file=sys.stderr, flush=True)
