# SPDX-License-Identifier: Apache-2.0
"""The main job, shown."""

import argparse

from box.commands import Commands
from box.report import Report

ORDER = 15


def add(commands: Commands) -> None:
    """Register `demo`."""
    command = commands.command(
        "demo", "the first switch, Unmanaged to Direct, under load, proven", _demo, needs_box=False
    )
    command.add_argument("--keep", action="store_true", help="leave the box up afterwards")


def _demo(options: argparse.Namespace, report: Report) -> int:
    from box.demo.command import run_demo

    return run_demo(keep=options.keep, report=report)
