# SPDX-License-Identifier: Apache-2.0
"""`make bench-switch`: the chain of switches on a box, with load and judge; ends with one line of figures.

`--dead` begins with a registry that does not answer any more.
"""

import argparse
import sys
import time
from collections import Counter

from rich.console import Console

from box.demo.command import box_up
from box.errors import BoxError
from box.inventory import read_nodes
from box.judge.verdict import Verdict
from box.report import Report
from box.scenario import Scenario
from box.scenario.chain import CHAIN, CHAIN_FROM_DEAD, DIRECT_TO_DIRECT, Finished, Leg, run_chain
from box.scenario.progress import Progress
from box.up import Options

BEFORE_SECONDS = 6.0
OLD_CONTAINERD = ("worker-1",)
"""Nodes with containerd 1.7; the others have 2.x."""

DIRECT_TO_DIRECT_WITHIN_SECONDS = 180.0


def run_on_box(legs: tuple[Leg, ...], console: Console) -> tuple[tuple[Finished, ...], Verdict | None, str]:
    """Run the chain on a box of its own; what has ended, the verdict, and why it did not go on (empty: it did)."""
    finished: list[Finished] = []
    stopped = ""
    progress = Progress(lambda line: console.print(line, markup=False, soft_wrap=True))
    up = box_up(keep=False, report=Report(), console=console, options=Options(old_containerd=OLD_CONTAINERD))
    with up, Scenario(say=progress.say) as run:
        console.rule(f"the chain, on {len(read_nodes())} nodes under load")
        time.sleep(BEFORE_SECONDS)
        try:
            run_chain(run, legs, progress.show, finished.append)
        except BoxError as error:
            stopped = str(error)
        return tuple(finished), run.judge(), stopped


def main() -> int:
    """Run, print the table and the line; 0 only when every switch was Ready, in time, and the judge is content."""
    parser = argparse.ArgumentParser(prog="bench.switch", description=__doc__)
    parser.add_argument("--dead", action="store_true", help="begin with a registry that does not answer any more")
    dead = parser.parse_args().dead
    console = Console(highlight=False)
    try:
        finished, verdict, stopped = run_on_box(CHAIN_FROM_DEAD if dead else CHAIN, console)
    except BoxError as error:
        console.print(f"FAILED: {error}", markup=False, soft_wrap=True)
        return 1
    console.rule("summary")
    for one in finished:
        console.print(f"{one.name:<60}{one.seconds:8.1f} s", markup=False, soft_wrap=True)
    wrongs = [stopped] if stopped else []
    seconds = next((one.seconds for one in finished if one.name == DIRECT_TO_DIRECT), None)
    if not dead and seconds is not None and seconds > DIRECT_TO_DIRECT_WITHIN_SECONDS:
        wrongs.append(f"{DIRECT_TO_DIRECT} took {seconds:.0f} s, not {DIRECT_TO_DIRECT_WITHIN_SECONDS:.0f} s at most")
    if verdict is not None:
        for restart in verdict.restarts:
            console.print(f"restarted: {restart.describe()}", markup=False, soft_wrap=True)
        for why, count in sorted(Counter(why for _, why in verdict.excused).items()):
            console.print(f"failed and not counted: {count} pulls, {why}", markup=False, soft_wrap=True)
        wrongs += [str(violation) for violation in verdict.violations]
    for text in wrongs:
        console.print(f"FAILED: {text}", markup=False, soft_wrap=True)
    console.print(render_line(seconds, verdict), markup=False, soft_wrap=True)
    return 1 if wrongs else 0


def render_line(seconds: float | None, verdict: Verdict | None) -> str:
    """The last line, for people and scripts."""
    failed, pulls, restarted = (
        (len(verdict.failed), len(verdict.counted), len(verdict.restarts)) if verdict is not None else ("?", "?", "?")
    )
    shown = f"{seconds:.1f}" if seconds is not None else "none"
    return f"direct_to_direct_s={shown} failed_pulls={failed} pulls={pulls} restarted={restarted}"


if __name__ == "__main__":
    sys.exit(main())
