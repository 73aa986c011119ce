# SPDX-License-Identifier: Apache-2.0
"""How long a search may take, and when it says how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_EVERY = 15


@dataclass(slots=True)
class Clock:
    """`end` is when it is over, 0 for never; `read` the time: the machine's, which processes share, unless given."""

    end: float = 0
    read: Callable[[], float] = time.time
    _told: float = field(default_factory=time.time)
    _is_over: bool = False
    _calls: int = 0

    @property
    def is_over(self) -> bool:
        """Tell whether the time is up."""
        self._calls += 1
        if self.end and self._calls % 64 == 0:
            self._is_over = self.read() > self.end
        return self._is_over

    def tell(self, build_text: Callable[[], str]) -> None:
        """Say how far it is, now and then."""
        if time.time() - self._told > _EVERY:
            self._told = time.time()
            print(f"  {build_text()}", file=sys.stderr, flush=True)
