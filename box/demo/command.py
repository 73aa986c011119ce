# SPDX-License-Identifier: Apache-2.0
"""`python -m box demo`: box up, the switch under load, the summary, box down."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from box.demo.prerequisites import check_machine
from box.demo.session import run_switch
from box.demo.show import render_cluster
from box.demo.summary import Result, list_failures, render_figures, render_steps
from box.down import find_remains, take_down
from box.inventory import read_nodes
from box.judge.verdict import add_remains
from box.layout import DATA, KUBECONFIG, RUN
from box.report import Report
from box.scenario import Scenario
from box.state import read_state
from box.up import Options, bring_up

NEXT = f"""\
The box is left up. What to try next:
  python -m box kubectl -n d8-system get secret registry-state -o jsonpath='{{.data.conditions}}' | base64 -d
  python -m box kubectl get nodes -o json | jq '.items[].metadata.annotations["registry.deckhouse.io/node-report"]'
  python -m box exec worker-0 -- cat /etc/containerd/registry.d/registry.d8-system.svc:5001/hosts.toml
  python -m box kubectl get pods -A -o wide
  python -m box kubectl edit moduleconfig deckhouse      another switch
  python -m box down                                     the end of it (kubeconfig {KUBECONFIG})"""


def run_demo(*, keep: bool, report: Report) -> int:
    """Run the whole demo; returns 0 only when nothing at all failed. The box goes down unless `keep`, come what may."""
    console = Console(highlight=False)
    console.rule("prerequisites and box")
    check_machine()
    run = Scenario(say=lambda text: console.print(text, markup=False, soft_wrap=True))
    with box_up(keep=keep, report=report, console=console), run:
        console.rule("the cluster in Unmanaged")
        console.print(render_cluster(run.api), markup=False, soft_wrap=True)
        result = run_switch(run, console)
        console.rule("the cluster now")
        console.print(render_cluster(run.api), markup=False, soft_wrap=True)
    if not keep:
        result = replace(result, verdict=add_remains(result.verdict, tuple(find_remains())))
    return show_summary(result, console)


@contextmanager
def box_up(*, keep: bool, report: Report, console: Console, options: Options | None = None) -> Iterator[None]:
    """Have a box for the block; its logs are kept in a folder of their own, and it goes down at the end."""
    whole = False
    try:
        bring_up(options or Options(), report)
        whole = True
        yield
    finally:
        # A box that another process has brought up is not ours to look into or to end.
        found = read_state()
        if found and found.up_pid == os.getpid():
            console.print(f"logs are kept in {save_logs()}", markup=False, soft_wrap=True)
            if keep and whole:
                console.print(NEXT, markup=False, soft_wrap=True)
            else:
                take_down(report)


def save_logs() -> Path:
    """Copy the logs of the box, and nothing that holds credentials; returns the folder."""
    folder = Path(tempfile.mkdtemp(prefix=f"d8-registry-demo-{datetime.now(UTC):%Y%m%dT%H%M%S}-"))
    for log in (*RUN.rglob("*.log"), *RUN.rglob("*.journal")):
        target = folder / log.relative_to(RUN)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, target)
    for node in read_nodes():
        if (DATA / node.name / "var/log").is_dir():
            shutil.copytree(DATA / node.name / "var/log", folder / node.name, symlinks=True)
    return folder


def show_summary(result: Result, console: Console) -> int:
    """Print the summary; returns the exit status."""
    failures = list_failures(result)
    console.rule("summary")
    console.print(
        render_steps(result.spans, result.verdict.counted, result.ready or result.edited),
        markup=False,
        soft_wrap=True,
    )
    for pull in result.verdict.cut:
        console.print(f"cut by the restart of containerd: {pull.describe()}", markup=False, soft_wrap=True)
    console.print(f"restarted: {len(result.verdict.restarts)}", markup=False, soft_wrap=True)
    for one in result.verdict.restarts:
        console.print(f"  {one.describe()}", markup=False, soft_wrap=True)
    for text in failures:
        console.print(f"FAILED: {text}", markup=False, soft_wrap=True)
    if failures:
        console.print(
            "look at: operator.log, the node folders and registries/*/requests.journal in the logs named above",
            soft_wrap=True,
        )
    console.print(render_figures(result), markup=False, soft_wrap=True)
    return 1 if failures else 0
