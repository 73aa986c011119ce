# SPDX-License-Identifier: Apache-2.0
"""Several searches side by side: what is searched how far, and what came of it.

Searches of one transition share a process: what they remember is the same, and a state that two of them meet is one.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from tests.prove.clock import Clock
from tests.prove.faults import FAULTS
from tests.prove.search import Search
from tests.prove.start import find_transition
from tests.prove.sweep import Sweep
from tests.prove.transitions import resize


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One search: a transition, the faults that may happen (once), and whether the operator may crash (once).

    `masters` and `workers` make the cluster another one than the transition says. `sweep`: the search is of faultless
    runs, and then each fault happens after each write that was seen.
    """

    transition: str
    faults: tuple[str, ...] = ()
    with_crash: bool = False
    limit: int = 0
    stop_at: int = 1
    masters: int | None = None
    workers: int | None = None
    sweep: bool = False

    @property
    def name(self) -> str:
        """What is searched, for people."""
        what = [] if self.masters is None else [f"{self.masters} masters"]
        what += [] if self.workers is None else [f"{self.workers} workers"]
        if self.sweep:
            what.append(f"{len(self.faults)} faults after every write")
        elif self.faults:
            what.append(self.faults[0] if len(self.faults) == 1 else f"{len(self.faults)} faults")
        what += ["a crash"] if self.with_crash else []
        return f"{self.transition}, {' and '.join(what) or 'no fault'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a search saw: `states` that no search of its transition had seen before, pairs of writes and faults."""

    job: Job
    states: int
    moves: int
    is_complete: bool
    violations: tuple[str, ...]
    writes: frozenset[str]
    met: frozenset[tuple[str, str]]
    impossible: frozenset[tuple[str, str]]
    seconds: float


def run_job(job: Job, clock: Clock | None = None, known: set[bytes] | None = None) -> Result:
    """Search, in this process; `known` are states that do not count again, and is added to."""
    begun, known, clock = time.monotonic(), set() if known is None else known, clock or Clock()
    transition = find_transition(job.transition)
    masters = transition.masters if job.masters is None else job.masters
    transition = resize(transition, masters, transition.workers if job.workers is None else job.workers)
    faults = tuple(fault for fault in FAULTS if fault.name in job.faults)
    found: Search | Sweep
    if job.sweep:
        found = Sweep(transition, faults, job.stop_at, clock).run()
    else:
        found = Search(transition, faults, job.with_crash, job.limit, job.stop_at, clock).run()
    coverage = found.cover()
    before = len(known)
    known.update(found.keys)
    return Result(
        job=job,
        states=len(known) - before,
        moves=found.moves,
        is_complete=found.is_complete,
        violations=tuple(str(violation) for violation in found.violations),
        writes=coverage.writes,
        met=coverage.met,
        impossible=coverage.impossible,
        seconds=time.monotonic() - begun,
    )


def run_jobs(jobs: Iterable[Job], tell: Callable[[Result], None] = lambda result: None, end: float = 0) -> list[Result]:
    """Search on both cores until `end` (a time of the machine); `tell` hears of each search as it ends."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.transition, []).append(job)
    results = []
    # A search remembers every run of the hook: a process of its own gives that back.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(_run_group, group, end) for group in groups.values()]):
            for result in future.result():
                results.append(result)
                tell(result)
    return results


def _run_group(jobs: Sequence[Job], end: float) -> list[Result]:
    known: set[bytes] = set()
    results = []
    for job in jobs:
        try:
            results.append(run_job(job, Clock(end), known))
        except Exception:  # one search that falls over must not take what the others saw with it
            results.append(_fall_over(job, traceback.format_exc()))
        tell(f"  {describe(results[-1])}")
    return results


def _fall_over(job: Job, text: str) -> Result:
    """Build the result of a search that raised: that counts as a violation."""
    nothing: frozenset[tuple[str, str]] = frozenset()
    return Result(
        job=job,
        states=0,
        moves=0,
        is_complete=False,
        violations=(f"{job.name} fell over:\n{text}",),
        writes=frozenset(),
        met=nothing,
        impossible=nothing,
        seconds=0,
    )


def describe(result: Result) -> str:
    """One line for people."""
    end = "all" if result.is_complete else "cut off"
    wrong = f", {len(result.violations)} VIOLATIONS" if result.violations else ""
    what = f"{result.states} new states ({end}), {result.moves} moves"
    return f"{result.job.name}: {what}, {len(result.met)} pairs, {result.seconds:.0f} s{wrong}"


def tell(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)
