# SPDX-License-Identifier: Apache-2.0
"""Look for one mutant by searching, in a process whose `d8registry` has the bug in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.prove.clock import Clock
from tests.prove.coverage import CRASH
from tests.prove.faults import FAULTS
from tests.prove.mutants.mutant import PACKAGE, Mutant, mutate
from tests.prove.proof import Job, run_job

_NAMES = tuple(fault.name for fault in FAULTS)
ROOT = PACKAGE.parents[2]
_SUDDEN = (
    "worker-dies",
    "half-an-hour-without-progress",
    "slow-run",
    "operator-restarts",
    "operator-freezes-in-a-run",
    "platform-is-slower-than-the-soak",
    "copy-is-written-late",
    "patience-is-lost",
    "registry-b-refuses",
)
_OFF = "unmanaged-a-to-direct-b-config-path-off"
# From the smallest to what shows the rest; a hunt ends with the first violation.
HUNT = (
    Job(transition="direct-a-to-a-new-password", workers=0),
    Job(transition="direct-a-to-direct-b", workers=0),
    Job(transition=_OFF, workers=0),
    Job(transition="direct-b-to-unmanaged", workers=0),
    Job(transition="direct-a-to-direct-b"),
    Job(transition=_OFF),
    Job(transition="direct-b-to-unmanaged", sweep=True, workers=0, faults=_SUDDEN),
    Job(transition=_OFF, sweep=True, faults=_SUDDEN),
    Job(transition="direct-a-to-direct-b", sweep=True, faults=_SUDDEN),
    Job(transition="direct-a-to-a-new-password", workers=0, with_crash=True, limit=60_000),
    Job(transition=_OFF, sweep=True, faults=_NAMES),
    Job(transition="direct-a-to-direct-b", sweep=True, faults=_NAMES),
    Job(transition="direct-b-to-unmanaged", sweep=True, faults=_NAMES),
)
_SECONDS = 300
"""Of CPU, for one mutant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """What came of a hunt: the first violation, how the search fell over instead, that time was up, or none of it."""

    mutant: str
    violation: str = ""
    failure: str = ""
    is_cut_off: bool = False
    by: str = ""
    seconds: float = 0


def hunt(mutant: Mutant) -> Catch:
    """Copy the package, put the bug in, and search with it."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="registry-mutant-") as folder:
        package = Path(folder) / "d8registry"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        (package / mutant.file).write_text(mutate(mutant))
        environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "tests.prove.hunt", json.dumps([asdict(job) for job in choose_jobs(mutant)])]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begun
    if done.returncode != 0:
        failure = done.stderr.strip().rpartition("\n")[2] or f"exit {done.returncode}"
        return Catch(mutant=mutant.name, failure=failure, seconds=seconds)
    found = json.loads(done.stdout)
    return Catch(mutant=mutant.name, **found, seconds=seconds)


def hunt_all(mutants: Sequence[Mutant], tell: Callable[[Catch], None] = lambda catch: None) -> list[Catch]:
    """Hunt on both cores; `tell` hears of each hunt as it ends."""
    catches = []
    with ThreadPoolExecutor(2) as pool:
        for future in as_completed([pool.submit(hunt, mutant) for mutant in mutants]):
            catches.append(future.result())
            tell(catches[-1])
    return catches


def choose_jobs(mutant: Mutant) -> Iterator[Job]:
    """What a mutant names, then all of HUNT: code moves, and then a bug shows elsewhere."""
    if mutant.search:
        faults = () if mutant.fault in ("", CRASH) else (mutant.fault,)
        yield Job(
            transition=mutant.search,
            masters=mutant.masters,
            workers=0 if mutant.in_all_orders else None,
            sweep=bool(faults) and not mutant.in_all_orders,
            faults=faults,
            with_crash=mutant.fault == CRASH,
        )
    yield from HUNT


def main() -> None:
    """Search until something is broken; print the first violation as JSON."""
    # The process's own time: what else runs on the machine must not let a mutant live.
    clock = Clock(_SECONDS, time.process_time)
    for job in (Job(**fields) for fields in json.loads(sys.argv[1])):
        result = run_job(job, clock)
        if result.violations or clock.is_over:
            found = next(iter(result.violations), "")
            print(json.dumps({"violation": found, "by": job.name, "is_cut_off": not found}))
            return
    print(json.dumps({"violation": "", "by": "all searches"}))


if __name__ == "__main__":
    main()
