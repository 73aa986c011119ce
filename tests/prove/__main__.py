# SPDX-License-Identifier: Apache-2.0
"""`make prove`: the long search, the mutants, and what was covered. Ends with one line of figures."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.prove.coverage import count_pairs
from tests.prove.faults import FAULTS
from tests.prove.hunt import Catch, hunt_all
from tests.prove.long import JOBS
from tests.prove.mutants.all import MUTANTS
from tests.prove.proof import run_jobs, tell


def main() -> int:
    """Search, hunt, tell; 1 where an invariant was broken, a mutant lives, or a pair was neither met nor impossible."""
    arguments = _parse()
    begun = time.time()
    os.nice(5)  # nobody waits for it, and it takes both cores
    mutants = tuple(item for item in MUTANTS if not arguments.mutant or item.name in arguments.mutant)
    catches = [] if arguments.no_mutants else hunt_all(mutants, _tell_catch)
    is_searched = not arguments.only_mutants and not arguments.mutant
    jobs = [job for job in JOBS if not arguments.transition or job.transition in arguments.transition]
    results = run_jobs(jobs, end=time.time() + 60 * arguments.minutes) if is_searched else []
    killed = sum(bool(catch.violation) for catch in catches)
    violations = [violation for result in results for violation in result.violations]
    print("\n".join(violations), file=sys.stderr)
    covered = count_pairs(results, FAULTS, tell)
    tell(f"in {time.time() - begun:.0f} s")
    print(
        f"states={sum(result.states for result in results)} invariant_violations={len(violations)} "
        f"mutants={len(catches)} killed={killed} pairs_covered={covered:.4f}"
    )
    return 0 if not violations and killed == len(catches) and (covered == 1 or not is_searched) else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--no-mutants", action="store_true", help="search only")
    parser.add_argument("--only-mutants", action="store_true", help="hunt only")
    parser.add_argument("--mutant", action="append", default=[], help="hunt this mutant only")
    parser.add_argument("--transition", action="append", default=[], help="search this transition only")
    parser.add_argument("--minutes", type=float, default=90, help="when searches are cut off (default 90)")
    return parser.parse_args()


def _tell_catch(catch: Catch) -> None:
    first = catch.violation.partition("\n")[0]
    end = first or catch.failure or ("CUT OFF" if catch.is_cut_off else "LIVES")
    tell(f"mutant {catch.mutant}: {end} ({catch.by}, {catch.seconds:.0f} s)")


if __name__ == "__main__":
    sys.exit(main())
