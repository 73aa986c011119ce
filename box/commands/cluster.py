# SPDX-License-Identifier: Apache-2.0
"""The box as a whole: start it, look at it, remove it."""

import argparse
from pathlib import Path

from box.commands import Commands
from box.report import Report, complain

ORDER = 10


def add(commands: Commands) -> None:
    """Register `up`, `down`, `status`, `deps` and `build`."""
    command = commands.command(
        "up",
        "start the cluster; a minute on a warm cache",
        _up,
        needs_box=False,
        about="Start the box and return when all of it works. What a failed start leaves is removed by `down`.",
        examples=(
            "python -m box up",
            "python -m box up --masters 3 --workers 5 --containerd17 worker-4",
            "python -m box up --operator ./addon-operator  # the real one, built by you, in place of box.runner",
        ),
    )
    command.add_argument("--operator", type=Path, metavar="PATH", help="addon-operator to run in place of box.runner")
    command.add_argument(
        "--containerd-dir", type=Path, metavar="DIR", help="take containerd, containerd-shim-runc-v2 and ctr from DIR"
    )
    command.add_argument("--bundle", type=Path, metavar="FILE", help="run this bundle, not one made of the checkout")
    command.add_argument("--masters", type=int, default=1, metavar="N", help="how many masters (default 1)")
    command.add_argument("--workers", type=int, default=2, metavar="N", help="how many workers (default 2)")
    command.add_argument(
        "--containerd17", action="append", default=[], metavar="NODE", help="a node with containerd 1.7 (repeatable)"
    )
    command.add_argument(
        "--takeover-delay", type=float, default=5.0, metavar="S", help="until the last module follows (default 5 s)"
    )
    commands.command("down", "remove everything of the box, also after a crash", _down, needs_box=False)
    commands.command(
        "status",
        "nodes, registries, queues, the module, processes; status 1 when something is not well",
        _status,
        needs_box=False,
        about=(
            "Show what the box is at: every node with the word of its registry-node, every registry with its faults,\n"
            "the operator's queues, the module in one line, the processes, and the memory that all processes of a\n"
            "kind take, those of nodes and pods too; what several share is counted once.\n"
            "The exit status is 1 when a node, a registry or a process is not what it should be."
        ),
    )
    commands.command(
        "deps", "install Debian packages that this machine lacks, none with a service", _deps, needs_box=False
    )
    commands.command("build", "fill the cache: programs and images; nothing to do when warm", _build, needs_box=False)


def _up(options: argparse.Namespace, report: Report) -> int:
    from box.layout import KUBECONFIG, LOGS
    from box.up import Options, bring_up

    asked = Options(
        operator=options.operator,
        bundle=options.bundle,
        containerd=options.containerd_dir,
        masters=options.masters,
        workers=options.workers,
        old_containerd=tuple(options.containerd17),
        takeover_delay=options.takeover_delay,
    )
    bring_up(asked, report)
    report.line(f"the box is up; kubeconfig {KUBECONFIG}, logs {LOGS}; try: python -m box kubectl get nodes")
    return 0


def _down(_options: argparse.Namespace, report: Report) -> int:
    from box.down import take_down

    take_down(report)
    return 0


def _status(_options: argparse.Namespace, _report: Report) -> int:
    from box.layout import RUN
    from box.overview import look
    from box.state import read_state
    from box.status import show_status

    found = read_state()
    if found is None:
        complain(f"no box runs (nothing in {RUN}); start one: python -m box up")
        return 1
    return 0 if show_status(found, look()) else 1


def _deps(_options: argparse.Namespace, report: Report) -> int:
    from box.machine import install_missing

    install_missing(report)
    return 0


def _build(_options: argparse.Namespace, report: Report) -> int:
    from box.build import build_all
    from box.layout import cache_folder

    build_all(report)
    report.line(f"all is built in {cache_folder()}")
    return 0
