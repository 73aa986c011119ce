# SPDX-License-Identifier: Apache-2.0
"""What the operator has to do: its queues, asked for on its debug socket."""

import json
from dataclasses import dataclass

from box.errors import BoxError
from box.operator import DEBUG_SOCKET
from box.runner.debug import ask_unix
from box.runner.errors import RunnerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of a queue; `retry_in` is seconds, for one that failed."""

    title: str
    failures: int
    error: str
    retry_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue with its tasks, the head first."""

    name: str
    tasks: tuple[Task, ...]

    @property
    def words(self) -> str:
        """Say in one line what the queue is at."""
        if not self.tasks:
            return "idle"
        head = self.tasks[0]
        more = f", {len(self.tasks) - 1} behind it" if len(self.tasks) > 1 else ""
        if not head.failures:
            return f"{head.title}{more}"
        reason = " ".join(head.error.split())
        return f"{head.title} failed {head.failures} times, next in {head.retry_in:.0f} s{more}: {reason[:200]}"


def read_queues() -> list[Queue]:
    """Return the operator's queues, `main` first. Raises BoxError."""
    return [
        Queue(
            name=each["queue"],
            tasks=tuple(
                Task(
                    title=task["task"],
                    failures=task["failures"],
                    error=task["error"],
                    retry_in=task["retryInSeconds"],
                )
                for task in each["tasks"]
            ),
        )
        for each in json.loads(ask("/queue/list.json"))
    ]


def is_main_held() -> bool:
    """Whether a task that failed stands at the head of `main`; not, where no operator can be asked."""
    try:
        tasks = read_queues()[0].tasks
    except BoxError:
        return False
    return bool(tasks and tasks[0].failures)


def ask(path: str) -> str:
    """Ask the running operator something. Raises BoxError."""
    try:
        return ask_unix(DEBUG_SOCKET, path)
    except RunnerError as error:
        raise BoxError(f"{error} see: python -m box logs operator") from error
