# SPDX-License-Identifier: Apache-2.0
"""Registries and nodes broken on purpose."""

import argparse
from collections.abc import Mapping

from box.commands import Commands
from box.report import Report

ORDER = 41


def add(commands: Commands) -> None:
    """Register the group `fault`."""
    group = commands.group("fault", "break something on purpose, at once and until it is cleared")
    _add_registry(group)
    _add_node(group)


def _add_registry(group: Commands) -> None:
    from box.registries.faults import WORDS

    command = group.command(
        "registry",
        "a registry is down, hangs, refuses, shows a wrong certificate, gives wrong bytes …",
        _fault_registry,
        needs_box=False,  # registries run without a cluster too, in tests
        about=(
            "Break a registry that runs. Faults add up, are in effect at once, and stay until `clear`.\n\n"
            f"{_list(WORDS, 30)}\n  {'password':<30}the platform's password is another one; the old one is refused\n"
            f"  {'clear':<30}all of it is over"
        ),
        examples=(
            "python -m box fault registry a down",
            "python -m box fault registry b slow=20000 429=30",
            "python -m box fault registry b clear expired  # only this one",
            "python -m box fault registry b clear",
        ),
    )
    command.add_argument("name", metavar="NAME", help="a registry, as `box registry list` names it, or its last word")
    command.add_argument("words", nargs="+", metavar="FAULT", help="what is to be wrong, or clear")


def _add_node(group: Commands) -> None:
    from box.nodefaults import WORDS

    command = group.command(
        "node",
        "a node's disk is full, its clock is wrong",
        _fault_node,
        about=(
            "Break a node that runs, until it is mended or its power is cut.\n\n"
            f"{_list(WORDS, 14)}\n\n"
            "A wrong clock is that of containerd, ctr, and every program of the C library that starts from then on;\n"
            "the kubelet's and the pods' stay right."
        ),
        examples=(
            "python -m box fault node worker-0 disk-full",
            "python -m box fault node worker-0 disk-free",
            "python -m box fault node worker-0 clock -1d",
            "python -m box fault node worker-0 clock reset",
        ),
    )
    command.add_argument("name", metavar="NODE", help="as `box status` names it")
    # Not `nargs="+"`: `-1d` would be taken for an option.
    command.add_argument("words", nargs=argparse.REMAINDER, metavar="FAULT", help="what is to be wrong, or right again")


def _list(words: Mapping[str, str], width: int) -> str:
    return "\n".join(f"  {word:<{width}}{about}" for word, about in words.items())


def _fault_registry(options: argparse.Namespace, report: Report) -> int:
    from box.registries import running

    running.require_started(options.name)
    running.set_fault(options.name, *options.words)
    faults = " ".join(running.fetch_faults(options.name))
    report.line(f"{options.name}: {faults or 'no fault any more'}")
    return 0


def _fault_node(options: argparse.Namespace, report: Report) -> int:
    from box import nodefaults
    from box.inventory import get_node

    node = get_node(options.name)
    nodefaults.set_fault(options.name, options.words)
    report.line(f"{options.name}: {', '.join(nodefaults.list_faults(node)) or 'no fault any more'}")
    return 0
