# SPDX-License-Identifier: Apache-2.0
"""Programs inside the box: kubectl, and anything in a node or in `core`."""

import argparse
import os
import sys
from typing import NoReturn

from box import core, node
from box.commands import Commands
from box.errors import BoxError
from box.report import Report

ORDER = 20


def add(commands: Commands) -> None:
    """Register `kubectl` and `exec`."""
    commands.command("kubectl", "kubectl as cluster-admin", _kubectl, options=False).set_defaults(words=[])
    command = commands.command(
        "exec",
        "run a command inside a node, or inside `core`",
        _exec,
        about="Run a command inside a node, or inside `core`, where the API server is and names resolve as in a pod.",
        examples=(
            "python -m box exec worker-0 -- ctr -n k8s.io images ls",
            "python -m box exec master-0 -- journalctl -u registry-node",
        ),
    )
    command.add_argument("where", metavar="WHERE", help="a node, as `box status` names it, or core")
    command.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command and its arguments")


def _kubectl(options: argparse.Namespace, _report: Report) -> int:
    from box.build import list_artifacts
    from box.layout import KUBECONFIG, cache_folder

    cache = cache_folder()
    folder = next(each.folder(cache) for each in list_artifacts(cache) if each.name == "kubernetes")
    become(core.exec_command(["env", f"KUBECONFIG={KUBECONFIG}", folder / "kubectl", *options.words]))


def _exec(options: argparse.Namespace, _report: Report) -> int:
    from box.layout import KUBECONFIG

    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise BoxError("say what to run, for example: python -m box exec worker-0 -- systemctl status kubelet")
    if options.where == "core":
        become(core.exec_command(["env", f"KUBECONFIG={KUBECONFIG}", *words]))
    become(node.exec_command(options.where, words))


def become(command: list[str]) -> NoReturn:
    """Replace this process by `command`: its signals, terminal and exit status are then its own."""
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606 - a terminal command becomes the one it wraps
