# SPDX-License-Identifier: Apache-2.0
"""Several searches side by side: what is searched how far, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from tests.prove.coverage import Coverage
from tests.prove.faults import FAULTS
from tests.prove.search import Search
from tests.prove.transitions import TRANSITIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One search: a transition, the faults that may happen (once), and whether the operator may crash (once)."""

    transition: str
    faults: tuple[str, ...] = ()
    with_crash: bool = False
    limit: int = 0
    stop_at: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a search saw. States of two searches of one transition may be the same, so their names are kept."""

    job: Job
    keys: frozenset[bytes]
    moves: int
    is_complete: bool
    violations: tuple[str, ...]
    coverage: Coverage


def run_job(job: Job) -> Result:
    """Search, in this process."""
    transition = next(item for item in TRANSITIONS if item.name == job.transition)
    faults = tuple(fault for fault in FAULTS if fault.name in job.faults)
    search = Search(transition, faults, job.with_crash, job.limit, job.stop_at).run()
    return Result(
        job=job,
        keys=frozenset(search.keys),
        moves=search.moves,
        is_complete=search.is_complete,
        violations=tuple(str(violation) for violation in search.violations),
        coverage=search.cover(),
    )


def run_jobs(jobs: Iterable[Job], tell: Callable[[Result], None] = lambda result: None) -> list[Result]:
    """Search on both cores; `tell` hears of each search as it ends."""
    results = []
    # A search remembers every run of the hook: a process of its own gives that back.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(run_job, job) for job in jobs]):
            results.append(future.result())
            tell(results[-1])
    return results


def count_states(results: Iterable[Result]) -> int:
    """Distinct states over all searches."""
    states: dict[str, set[bytes]] = {}
    for result in results:
        states.setdefault(result.job.transition, set()).update(result.keys)
    return sum(len(keys) for keys in states.values())


def describe(result: Result) -> str:
    """One line for people."""
    job = result.job
    what = f"{len(job.faults)} faults" + (" and a crash" if job.with_crash else "")
    end = "all" if result.is_complete else "cut off"
    return f"{job.transition}, {what}: {len(result.keys)} states ({end}), {result.moves} moves"


def tell(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)
