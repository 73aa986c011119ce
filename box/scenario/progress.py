# SPDX-License-Identifier: Apache-2.0
"""A line of progress whenever something changed in a switch, and every ten seconds."""

import time
from collections.abc import Callable

from box.watch.follow import Moment
from box.watch.view import describe_wait

_EVERY_SECONDS = 10.0


class Progress:
    """Prints through `put`, with the seconds since it was made."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put = put
        self._began = time.monotonic()
        self._news = ""
        self._printed = 0.0

    def say(self, text: str) -> None:
        """Print what the scenario does."""
        self._put(f"{time.monotonic() - self._began:7.1f}s  {text}")

    def show(self, name: str, moment: Moment) -> None:
        """Print where a switch is."""
        step, waits = moment.view.step or "at rest", describe_wait(moment.view) or "-"
        news = f"{name}: {step}, nodes {moment.fleet.done}/{moment.fleet.total}, waits for {waits}"
        now = time.monotonic()
        if news != self._news or now - self._printed >= _EVERY_SECONDS:
            self.say(news)
            self._news, self._printed = news, now
