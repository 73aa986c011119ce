# SPDX-License-Identifier: Apache-2.0
"""Jobs: starts and stops that were asked for, in the order that After= and Before= want."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from box.platform.systemd.states import START_FAILURES, ActiveState, Result
from box.platform.systemd.unit import Unit
from box.platform.systemd.unit_file import UnitFile

Waiter = Callable[[str | None], None]
"""Called once at the end of a job, with None or the reason why it failed."""


class JobKind(Enum):
    """What a job does to its unit."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


class Phase(Enum):
    """How far a job is."""

    WAITING = "waiting"
    STOPPING = "stopping"
    STARTING = "starting"


@dataclass(slots=True, kw_only=True)
class Job:
    """A job of a unit; events up to number `since` are older than what it did."""

    unit: Unit
    kind: JobKind
    phase: Phase = Phase.WAITING
    since: int = 0
    waiters: list[Waiter] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEvent:
    """One entered state of a unit, numbered."""

    number: int
    unit: Unit
    state: ActiveState
    sub_state: str
    result: Result


def is_ordered_after(unit: UnitFile, other: UnitFile) -> bool:
    """Whether `unit` starts only when `other` is up."""
    return other.name in unit.words("Unit", "After") or unit.name in other.words("Unit", "Before")


def is_blocked(job: Job, jobs: Iterable[Job]) -> bool:
    """Whether a start has to wait for another start that is not done."""
    return job.kind is not JobKind.STOP and any(
        other is not job
        and other.kind is not JobKind.STOP
        and is_ordered_after(job.unit.file, other.unit.file)
        and not is_ordered_after(other.unit.file, job.unit.file)
        for other in jobs
    )


def find_failure(event: StateEvent) -> str | None:
    """Why a start failed whose unit went down with this event; None when it simply ended well."""
    if event.result is Result.SUCCESS:
        return None
    return START_FAILURES.get(event.result, str(event.result.value))
