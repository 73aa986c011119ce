# SPDX-License-Identifier: Apache-2.0
"""Named queues of tasks: one thread each, the head alone is worked on, a failed head waits and holds the rest."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from box.runner import log
from box.runner.errors import RunnerError
from box.runner.merge import HookRun, take_neighbours
from box.runner.pace import JITTER, retry_delay

IDLE_POLL = 0.25
REPEAT_POLL = 0.1


class Verdict(Enum):
    """What became of the head: finished, or to be looked at again without counting as a failure."""

    DONE = "done"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRun:
    """Start the module or bring its release up to date."""

    module: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleDelete:
    """Take the module down: it was disabled."""

    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """Take over what the ConfigMap says now."""


Payload = HookRun | ModuleRun | ModuleDelete | ConfigChange


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """A payload in a queue, with its history."""

    payload: Payload
    failures: int = 0
    error: str = ""
    retry_at: float = 0.0
    added: float = field(default_factory=time.monotonic)

    @property
    def title(self) -> str:
        """Answer the task in a few words."""
        match self.payload:
            case HookRun(module=module, hook=hook, contexts=contexts):
                bindings = ", ".join(dict.fromkeys(context.binding for context in contexts))
                return f"HookRun {module} {hook} [{bindings}] contexts={len(contexts)}"
            case ModuleRun(module=module, reason=reason):
                return f"ModuleRun {module} ({reason})"
            case ModuleDelete(module=module):
                return f"ModuleDelete {module}"
            case ConfigChange():
                return "ConfigChange"


class TaskQueue:
    """A queue and its thread. `handle` answers a Verdict or raises RunnerError: a failure."""

    def __init__(self, name: str, handle: Callable[[TaskQueue, Task], Verdict], stop: threading.Event) -> None:
        self.name = name
        self._handle = handle
        self._stop = stop
        self._tasks: list[Task] = []
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._work, name=f"queue-{name}", daemon=True)

    def start(self) -> None:
        """Start to work."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait for the thread to end; answers whether it did."""
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def add_last(self, payload: Payload) -> None:
        """Append a task."""
        with self._lock:
            self._tasks.append(Task(payload=payload))

    def add_first(self, *payloads: Payload) -> None:
        """Put tasks before the head, in this order; a head that is being worked on is finished first."""
        with self._lock:
            self._tasks[:0] = [Task(payload=payload) for payload in payloads]

    def add_once(self, run: ModuleRun) -> bool:
        """Append a run of a module unless one waits behind the head; answers whether it was added."""
        with self._lock:
            waiting = [task.payload for task in self._tasks[1:]]
            if any(isinstance(other, ModuleRun) and other.module == run.module for other in waiting):
                return False
            self.add_last(run)
            return True

    def merge(self, task: Task) -> HookRun:
        """Let a hook run swallow the runs of the same hook right behind it. The task keeps the merged run."""
        with self._lock:
            if not isinstance(task.payload, HookRun):
                raise TypeError(f"{task.title} is not a hook run")
            if task not in self._tasks:
                return task.payload
            at = self._tasks.index(task)
            rest = [other.payload for other in self._tasks[at + 1 :]]
            task.payload, taken = take_neighbours(task.payload, rest)
            del self._tasks[at + 1 : at + 1 + taken]
            return task.payload

    def drop_hook_runs(self, module: str) -> None:
        """Forget every waiting hook run of a module that is going down."""
        with self._lock:
            self._tasks = [
                task
                for task in self._tasks
                if not (isinstance(task.payload, HookRun) and task.payload.module == module)
            ]

    def describe(self) -> dict[str, Any]:
        """Answer the queue for `queue list`."""
        with self._lock:
            tasks = [
                {
                    "task": task.title,
                    "failures": task.failures,
                    "error": task.error,
                    "retryInSeconds": round(max(0.0, task.retry_at - time.monotonic()), 1),
                }
                for task in self._tasks
            ]
        return {"queue": self.name, "tasks": tasks}

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                task = self._tasks[0] if self._tasks else None
            if task is None:
                self._stop.wait(IDLE_POLL)
            else:
                self._attempt(task)

    def _attempt(self, task: Task) -> None:
        try:
            verdict = self._handle(self, task)
        except RunnerError as error:
            self._fail(task, str(error))
            return
        except Exception as error:  # a bug of the runner must show in the queue, not kill its thread
            log.emit("error", traceback.format_exc(), queue=self.name)
            self._fail(task, f"runner defect: {error!r}")
            return
        if verdict is Verdict.REPEAT:
            self._stop.wait(REPEAT_POLL)
            return
        with self._lock:
            if task in self._tasks:
                self._tasks.remove(task)

    def _fail(self, task: Task, message: str) -> None:
        task.failures += 1
        delay = retry_delay(task.failures, random.uniform(0, JITTER))  # noqa: S311 (spreads retries, no secret)
        task.error, task.retry_at = message, time.monotonic() + delay
        log.emit(
            "error", message, queue=self.name, task=task.title, failures=task.failures, retryInSeconds=round(delay, 1)
        )
        self._stop.wait(delay)
