# SPDX-License-Identifier: Apache-2.0
"""Firing the crontabs of a module's hooks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

from box.runner.context import schedule_context
from box.runner.merge import HookRun
from box.runner.module import Module

_POLL = 1.0


class Scheduler:
    """Looks at every second whether a schedule is due; `is_due` holds all of them back, `enqueue` takes the runs."""

    def __init__(
        self,
        module: Module,
        is_due: Callable[[], bool],
        enqueue: Callable[[str, HookRun], None],
        stop: threading.Event,
    ) -> None:
        self._module = module
        self._is_due = is_due
        self._enqueue = enqueue
        self._stop = stop
        self._next: dict[tuple[str, int], datetime] = {}

    def start(self) -> None:
        """Begin in a thread."""
        threading.Thread(target=self._work, name="schedules", daemon=True).start()

    def fire(self, now: datetime) -> None:
        """Enqueue what is due at `now` (local time); a schedule seen for the first time waits for its next moment."""
        if not self._is_due():
            self._next.clear()
            return
        for hook in list(self._module.hooks.values()):
            for index, binding in enumerate(hook.config.schedule):
                key = (hook.file.name, index)
                if now < self._next.setdefault(key, binding.crontab.next_after(now)):
                    continue
                self._next[key] = binding.crontab.next_after(now)
                context = schedule_context(binding)
                run = HookRun(hook=hook.file.name, contexts=(context,), allow_failure=binding.allow_failure)
                self._enqueue(binding.queue, run)

    def _work(self) -> None:
        while not self._stop.wait(_POLL - time.time() % _POLL + 0.001):
            self.fire(datetime.now().astimezone().replace(tzinfo=None))
