# SPDX-License-Identifier: Apache-2.0
"""Look for one mutant by searching, in a process whose `d8registry` has the bug in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.prove.mutants.mutant import PACKAGE, Mutant, mutate
from tests.prove.proof import Job, run_job

ROOT = PACKAGE.parents[2]
# From the smallest to what shows the rest; a hunt ends with the first violation.
HUNT = (
    Job(transition="direct-a-to-a-other-path"),
    Job(transition="direct-a-to-a-new-password"),
    Job(transition="unmanaged-a-to-direct-b-config-path-off"),
    Job(transition="direct-a-to-direct-b"),
    Job(transition="unmanaged-a-to-direct-b-config-path-off", faults=("worker-dies", "master-dies"), limit=60_000),
    Job(transition="unmanaged-a-to-direct-b-config-path-off", faults=("slow-run", "registry-b-refuses"), limit=60_000),
    Job(transition="unmanaged-a-to-direct-b-config-path-off", faults=("half-an-hour-without-progress",), limit=60_000),
    Job(transition="direct-b-to-unmanaged"),
    Job(transition="direct-a-to-a-new-password", with_crash=True, limit=60_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """What came of a hunt: the first violation, or how the search fell over instead, or neither."""

    mutant: str
    violation: str = ""
    failure: str = ""


def hunt(mutant: Mutant) -> Catch:
    """Copy the package, put the bug in, and search with it."""
    with tempfile.TemporaryDirectory(prefix="registry-mutant-") as folder:
        package = Path(folder) / "d8registry"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        (package / mutant.file).write_text(mutate(mutant))
        environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
        names = ",".join(mutant.search)
        command = [sys.executable, "-m", "tests.prove.hunt", names]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return Catch(mutant=mutant.name, failure=done.stderr.strip().rpartition("\n")[2] or f"exit {done.returncode}")
    return Catch(mutant=mutant.name, violation=json.loads(done.stdout))


def hunt_all(mutants: tuple[Mutant, ...]) -> list[Catch]:
    """Hunt on both cores."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(hunt, mutants))


def main() -> None:
    """Search in the order of HUNT until something is broken; print the first violation as JSON."""
    wanted = [name for name in sys.argv[1].split(",") if name]
    for job in HUNT:
        if wanted and job.transition not in wanted:
            continue
        result = run_job(job)
        if result.violations:
            print(json.dumps(result.violations[0]))
            return
    print(json.dumps(""))


if __name__ == "__main__":
    main()
