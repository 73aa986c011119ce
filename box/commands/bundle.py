# SPDX-License-Identifier: Apache-2.0
"""The module as it is shipped."""

import argparse
from pathlib import Path

from box.commands import Commands
from box.report import Report

ORDER = 12


def add(commands: Commands) -> None:
    """Register `bundle`."""
    command = commands.command(
        "bundle",
        "write the shipped module: dist/registry-module.tar",
        _bundle,
        needs_box=False,
        about=(
            "Write the module as it is shipped: chart, hooks, schemas, documentation, and in lib/python/dist what\n"
            "hooks import. The same checkout gives the same bytes. `up` runs such a bundle, never the checkout."
        ),
        examples=(
            "python -m box bundle",
            "python -m box bundle --output /tmp/module.tar",
            "python -m box bundle --interpreter  # for a platform whose Python loads no compiled libraries",
            "python -m box bundle --relock  # after a change of lib/python/requirements.txt",
        ),
    )
    command.add_argument("--output", type=Path, metavar="FILE", help="where to write it")
    command.add_argument(
        "--interpreter",
        action="store_true",
        help="put the Python that runs this, with all that it needs, into hooks/venv (decision record 36)",
    )
    command.add_argument("--relock", action="store_true", help="first pin what requirements.txt needs, by hash")


def _bundle(options: argparse.Namespace, report: Report) -> int:
    from box.bundle import build_bundle
    from box.bundle.wheels import write_lock
    from box.layout import REPOSITORY

    if options.relock:
        report.line(f"{write_lock()} libraries pinned in lib/python/requirements.lock")
    name = "registry-module-with-python.tar" if options.interpreter else "registry-module.tar"
    target = options.output or REPOSITORY / "dist" / name
    made = build_bundle(target, report.line, interpreter=options.interpreter)
    report.line(f"{target}: {made.files} files, {target.stat().st_size / 2**20:.1f} MiB, sha256 {made.digest}")
    return 0
