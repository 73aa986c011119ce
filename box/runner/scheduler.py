# SPDX-License-Identifier: Apache-2.0
"""Firing the crontabs of a module's hooks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from box.runner.context import schedule_context
from box.runner.merge import HookRun
from box.runner.module import Module

_POLL = 1.0


class Scheduler:
    """Looks at every second which schedules of the `running` modules are due; `enqueue` takes the runs."""

    def __init__(
        self, running: Callable[[], Iterable[Module]], enqueue: Callable[[str, HookRun], None], stop: threading.Event
    ) -> None:
        self._running = running
        self._enqueue = enqueue
        self._stop = stop
        self._next: dict[tuple[str, str, int], datetime] = {}

    def start(self) -> None:
        """Begin in a thread."""
        threading.Thread(target=self._work, name="schedules", daemon=True).start()

    def fire(self, now: datetime) -> None:
        """Enqueue what is due at `now` (local time); a schedule seen for the first time waits for its next moment."""
        running = list(self._running())
        for gone in [key for key in self._next if key[0] not in {module.name for module in running}]:
            del self._next[gone]
        for module in running:
            self._fire(module, now)

    def _fire(self, module: Module, now: datetime) -> None:
        for hook in list(module.hooks.values()):
            for index, binding in enumerate(hook.config.schedule):
                key = (module.name, hook.file.name, index)
                if now < self._next.setdefault(key, binding.crontab.next_after(now)):
                    continue
                self._next[key] = binding.crontab.next_after(now)
                run = HookRun(
                    module=module.name,
                    hook=hook.file.name,
                    contexts=(schedule_context(binding),),
                    allow_failure=binding.allow_failure,
                )
                self._enqueue(binding.queue, run)

    def _work(self) -> None:
        while not self._stop.wait(_POLL - time.time() % _POLL + 0.001):
            self.fire(datetime.now().astimezone().replace(tzinfo=None))
