# SPDX-License-Identifier: Apache-2.0
"""The rate limit of starts: by default five in ten seconds, as systemd has it."""

from collections import deque


class StartLimit:
    """Counts starts; an interval or burst of 0 admits everything."""

    def __init__(self, interval: float, burst: int) -> None:
        self._interval = interval
        self._burst = burst
        self._starts: deque[float] = deque()

    def configure(self, interval: float, burst: int) -> None:
        """Take other limits; what was counted stays."""
        self._interval, self._burst = interval, burst

    def admit(self, now: float) -> bool:
        """Count a start at `now` (seconds) and say whether it may happen."""
        if not self._interval or not self._burst:
            return True
        while self._starts and self._starts[0] <= now - self._interval:
            self._starts.popleft()
        if len(self._starts) >= self._burst:
            return False
        self._starts.append(now)
        return True

    def reset(self) -> None:
        """Forget the starts counted so far."""
        self._starts.clear()
