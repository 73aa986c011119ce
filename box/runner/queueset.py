# SPDX-License-Identifier: Apache-2.0
"""All queues of the runner: `main` from the start, the others as tasks for them come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from box.runner.config import MAIN_QUEUE
from box.runner.merge import HookRun
from box.runner.queues import Task, TaskQueue, Verdict


class QueueSet:
    """Queues by name; each is started when it is first asked for."""

    def __init__(self, handle: Callable[[TaskQueue, Task], Verdict], stop: threading.Event) -> None:
        self._handle = handle
        self._stop = stop
        self._queues: dict[str, TaskQueue] = {}
        self._lock = threading.Lock()

    @property
    def main(self) -> TaskQueue:
        """Answer the queue of modules' runs, of the configuration, and of hooks that name no other."""
        return self.get(MAIN_QUEUE)

    def get(self, name: str) -> TaskQueue:
        """Answer the queue of this name."""
        with self._lock:
            if name not in self._queues:
                self._queues[name] = TaskQueue(name, self._handle, self._stop)
                self._queues[name].start()
            return self._queues[name]

    def add(self, name: str, run: HookRun) -> None:
        """Append a run of a hook to the queue of this name."""
        self.get(name).add_last(run)

    def drop_hook_runs(self, module: str) -> None:
        """Forget every waiting hook run of a module that is going down."""
        for queue in self._all():
            queue.drop_hook_runs(module)

    def join(self, seconds: float) -> bool:
        """Wait for all threads to end after the stop was given; answers whether they have."""
        limit = time.monotonic() + seconds
        return all(queue.join(limit - time.monotonic()) for queue in self._all())

    def describe(self) -> list[dict[str, Any]]:
        """Answer all queues for `queue list`, `main` first."""
        return [queue.describe() for queue in sorted(self._all(), key=lambda one: (one.name != MAIN_QUEUE, one.name))]

    def _all(self) -> list[TaskQueue]:
        with self._lock:
            return list(self._queues.values())
