# SPDX-License-Identifier: Apache-2.0
"""Machines and control plane: nodes that come and go, etcd taken back, how slowly the platform follows."""

import argparse

from box.commands import Commands
from box.layout import Containerd
from box.report import Report

ORDER = 35
_NAME = "what the snapshot is called"


def add(commands: Commands) -> None:
    """Register the groups `node` and `etcd`, and `takeover-delay`."""
    group = commands.group(
        "node",
        "add, remove, cut power, boot nodes",
        about=(
            "Nodes are named master-N and worker-N. `down` is a power cut: nothing of the node runs or answers, what\n"
            "is on its disk stays. The platform approves no update in a group with a node that is down."
        ),
        examples=(
            "python -m box node add worker-2 --containerd 1.7",
            "python -m box node down worker-0",
            "python -m box node reboot master-0",
        ),
    )
    command = group.command("add", "have a new machine join; returns when it is Ready", _add)
    command.add_argument("name", metavar="NODE", help="master-N or worker-N, one that is not there")
    generations = [str(each) for each in Containerd]
    command.add_argument("--containerd", choices=generations, default=str(Containerd.V2), help="generation (default 2)")
    for name, summary, run in (
        ("remove", "take a machine away for good", _remove),
        ("down", "cut its power", _down),
        ("up", "boot it after `down`; returns when it is Ready", _up),
        ("reboot", "cut its power and boot it", _reboot),
    ):
        group.command(name, summary, run).add_argument("name", metavar="NODE", help="as `box status` names it")
    etcd = commands.group(
        "etcd",
        "take the cluster back in time",
        about="Save etcd's data under a name, and restore it later. Nodes and registries do not go back in time.",
        examples=("python -m box etcd snapshot before", "python -m box etcd restore before"),
    )
    etcd.command("snapshot", "save etcd's data", _snapshot).add_argument("name", metavar="NAME", help=_NAME)
    etcd.command("restore", "put the cluster back to it", _restore).add_argument("name", metavar="NAME", help=_NAME)
    delay = commands.command(
        "takeover-delay",
        "how slowly the platform's modules follow a new pull secret",
        _delay,
        about="Seconds from deckhouse's readiness until the last module has followed; at once in force.",
        examples=("python -m box takeover-delay 180",),
    )
    delay.add_argument("seconds", type=float, metavar="SECONDS", help="0: at once; minutes are usual")


def _add(options: argparse.Namespace, report: Report) -> int:
    from pathlib import Path

    from box import nodelife
    from box.build import build_all
    from box.state import require_state

    found = require_state()
    with report.stage(f"node {options.name} joins"):
        nodelife.add_node(options.name, build_all(report), Path(found.containerd), Containerd(options.containerd))
    return 0


def _remove(options: argparse.Namespace, report: Report) -> int:
    from box import nodelife

    nodelife.remove_node(options.name)
    report.line(f"{options.name} is gone, its disk too; a new one: python -m box node add {options.name}")
    return 0


def _down(options: argparse.Namespace, report: Report) -> int:
    from box import nodelife

    nodelife.cut_power(options.name)
    report.line(f"{options.name} has no power; boot it: python -m box node up {options.name}")
    return 0


def _up(options: argparse.Namespace, report: Report) -> int:
    from box import nodelife

    with report.stage(f"node {options.name} boots"):
        nodelife.restore_power(options.name)
    return 0


def _reboot(options: argparse.Namespace, report: Report) -> int:
    from box import nodelife

    with report.stage(f"node {options.name} reboots"):
        nodelife.reboot(options.name)
    return 0


def _snapshot(options: argparse.Namespace, report: Report) -> int:
    from box import apifaults

    report.line(f"saved in {apifaults.save_snapshot(options.name)}")
    return 0


def _restore(options: argparse.Namespace, report: Report) -> int:
    from box import apifaults
    from box.build import build_all

    with report.stage(f"the cluster goes back to {options.name}"):
        apifaults.restore_snapshot(options.name, build_all(report))
    return 0


def _delay(options: argparse.Namespace, report: Report) -> int:
    from box.platform.pace import write_delay

    write_delay(options.seconds)
    report.line(f"the last module follows {options.seconds:g} s after deckhouse is Ready")
    return 0
