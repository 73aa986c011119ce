# SPDX-License-Identifier: Apache-2.0
"""`make prove`: the long search, the mutants, and what was covered. Ends with one line of figures."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.prove.coverage import CRASH
from tests.prove.faults import FAULTS
from tests.prove.hunt import Catch, hunt_all
from tests.prove.long import JOBS
from tests.prove.mutants.blind import BLIND
from tests.prove.mutants.more import MORE
from tests.prove.proof import Result, count_states, describe, run_jobs, tell


def main() -> int:
    """Search, hunt, tell; 1 where an invariant was broken, a mutant lives, or a search fell over."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--no-mutants", action="store_true", help="search only")
    parser.add_argument("--only-mutants", action="store_true", help="hunt only")
    parser.add_argument("--mutant", action="append", default=[], help="hunt this mutant only")
    parser.add_argument("--transition", action="append", default=[], help="search this transition only")
    arguments = parser.parse_args()
    begun = time.monotonic()
    jobs = [job for job in JOBS if not arguments.transition or job.transition in arguments.transition]
    results = [] if arguments.only_mutants or arguments.mutant else run_jobs(jobs, _tell_result)
    mutants = tuple(item for item in (*BLIND, *MORE) if not arguments.mutant or item.name in arguments.mutant)
    catches = [] if arguments.no_mutants else hunt_all(mutants)
    for catch in catches:
        _tell_catch(catch)
    killed = sum(bool(catch.violation) for catch in catches)
    violations = sum(len(result.violations) for result in results)
    tell(f"in {time.monotonic() - begun:.0f} s")
    print(
        f"states={count_states(results)} invariant_violations={violations} "
        f"mutants={len(catches)} killed={killed} pairs_covered={_cover(results):.3f}"
    )
    return 0 if not violations and killed == len(catches) else 1


def _tell_result(result: Result) -> None:
    tell(describe(result))
    for violation in result.violations:
        print(violation, file=sys.stderr)


def _tell_catch(catch: Catch) -> None:
    first = catch.violation.partition("\n")[0]
    tell(f"mutant {catch.mutant}: {first or catch.failure or 'LIVES'}")


def _cover(results: Sequence[Result]) -> float:
    """The part of all (transition, write, fault) that was visited; names what was not."""
    names = [fault.name for fault in FAULTS] + [CRASH]
    met, every = 0, 0
    for transition in sorted({result.job.transition for result in results}):
        found = [result.coverage for result in results if result.job.transition == transition]
        writes = sorted(set().union(*(coverage.writes for coverage in found)))
        pairs = set().union(*(coverage.met for coverage in found))
        every += len(writes) * len(names)
        met += sum((write, name) in pairs for write in writes for name in names)
        for name in names:
            missing = [write for write in writes if (write, name) not in pairs]
            if missing:
                tell(f"not met in {transition}: {name} after {len(missing)} of {len(writes)} writes, as {missing[0]}")
    return met / every if every else 0.0


if __name__ == "__main__":
    sys.exit(main())
