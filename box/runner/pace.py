# SPDX-License-Identifier: Apache-2.0
"""How long to wait: the back-off of failed tasks and the token bucket of hooks and of the API client."""

from __future__ import annotations

import threading
from collections.abc import Callable

FIRST_DELAY = 5.0
LONGEST_DELAY = 32.0
JITTER = 1.0
_DOUBLINGS = 10


def retry_delay(failures: int, jitter: float) -> float:
    """Answer the seconds before the next try of a task that failed `failures` times (1 and more).

    5 s first, then 5 s + 1, 2, 4, 8, 16 s plus `jitter` (0 to 1 s), at most 32 s. Source: shell-operator's queues.
    """
    if failures <= 1:
        return FIRST_DELAY
    if failures > _DOUBLINGS:
        return LONGEST_DELAY
    return min(LONGEST_DELAY, FIRST_DELAY + 2.0 ** (failures - 2) + jitter)


class TokenBucket:
    """At most `burst` at once and one more every `interval` seconds; safe between threads."""

    def __init__(self, *, interval: float, burst: int, now: Callable[[], float]) -> None:
        self._interval = interval
        self._burst = float(burst)
        self._now = now
        self._tokens = float(burst)
        self._at = now()
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take a token and answer the seconds to wait until it is there."""
        if self._interval <= 0:
            return 0.0
        with self._lock:
            now = self._now()
            self._tokens = min(self._burst, self._tokens + (now - self._at) / self._interval)
            self._at = now
            self._tokens -= 1.0
            return max(0.0, -self._tokens * self._interval)
