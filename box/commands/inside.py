# SPDX-License-Identifier: Apache-2.0
"""What goes on inside the box: kubectl, programs and shells in nodes and in `core`, pulls, logs."""

import argparse
import os
import sys
from typing import NoReturn

from box import core, node
from box.commands import Commands
from box.errors import BoxError
from box.report import Report

ORDER = 20
_WHERE = "a node, as `box status` names it, or core"


def add(commands: Commands) -> None:
    """Register `kubectl`, `exec`, `shell`, `pull` and `logs`."""
    commands.command("kubectl", "kubectl as cluster-admin", _kubectl, options=False).set_defaults(words=[])
    command = commands.command(
        "exec",
        "run a command inside a node, or inside `core`",
        _exec,
        about="Run a command inside a node, or inside `core`, where the API server is and names resolve as in a pod.",
        examples=(
            "python -m box exec worker-0 -- ctr -n k8s.io images ls",
            "python -m box exec master-0 -- systemctl list-units",
        ),
    )
    command.add_argument("where", metavar="WHERE", help=_WHERE)
    command.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command and its arguments")
    command = commands.command(
        "shell", "a shell inside a node, or inside `core`", _shell, examples=("python -m box shell worker-0",)
    )
    command.add_argument("where", metavar="WHERE", nargs="?", default="core", help=f"{_WHERE} (default core)")
    command = commands.command(
        "pull",
        "pull an image on a node, as the kubelet would",
        _pull,
        about=(
            "Pull an image through the node's container runtime interface: containerd's hosts.toml, the credentials\n"
            "in it, fallbacks. With --user it brings the credentials of a pull secret, which containerd then sends\n"
            "to every source; the password is asked for, or read from standard input."
        ),
        examples=(
            "python -m box pull worker-0 registry.d8-system.svc:5001/system/deckhouse:v1.72.0",
            "python -m box pull worker-0 registry-a.box.test/deckhouse/ee:v1.72.0 --user platform-a",
        ),
    )
    command.add_argument("node", metavar="NODE", help="a node, as `box status` names it")
    command.add_argument("reference", metavar="REF", help="the image: name and tag, or name@digest")
    command.add_argument("--user", metavar="NAME", help="account, as a pull secret brings one")
    command.add_argument("--timeout", type=float, default=60, metavar="S", help="give up after this (default 60 s)")
    command = commands.command(
        "logs",
        "print a log; without a name, list them",
        _logs,
        about="Print the end of a log: of a process of the box, or of a unit of a node. Without a name, list them.",
        examples=(
            "python -m box logs",
            "python -m box logs operator -f  # and what follows",
            "python -m box logs worker-0/containerd -n 100",
        ),
    )
    command.add_argument("name", metavar="WHAT", nargs="?", help="a process as `box status` names it, or NODE/UNIT")
    command.add_argument("-f", "--follow", action="store_true", help="go on with what is appended, until Ctrl-C")
    command.add_argument("-n", "--lines", type=int, default=50, metavar="N", help="last lines to begin with")


def _kubectl(options: argparse.Namespace, _report: Report) -> int:
    from box.build import list_artifacts
    from box.layout import KUBECONFIG, cache_folder

    cache = cache_folder()
    folder = next(each.folder(cache) for each in list_artifacts(cache) if each.name == "kubernetes")
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    become(core.exec_command(["env", f"KUBECONFIG={KUBECONFIG}", folder / "kubectl", *words]))


def _exec(options: argparse.Namespace, _report: Report) -> int:
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise BoxError("say what to run, for example: python -m box exec worker-0 -- systemctl status kubelet")
    _enter(options.where, words)


def _shell(options: argparse.Namespace, _report: Report) -> int:
    prompt = f"{options.where}:\\w# "
    _enter(options.where, ["env", f"PS1={prompt}", f"TERM={os.environ.get('TERM', 'dumb')}", "bash", "--norc", "-i"])


def _pull(options: argparse.Namespace, report: Report) -> int:
    import getpass

    from box.pull import pull_image

    password = ""
    if options.user:
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    seconds = pull_image(options.node, options.reference, options.user or "", password, options.timeout)
    report.line(f"{options.reference} is on {options.node}, pulled in {seconds:.2f} s")
    return 0


def _logs(options: argparse.Namespace, _report: Report) -> int:
    from box.logs import find_log, list_logs

    if options.name is not None:
        follow = ["--follow=name", "--retry"] if options.follow else []
        become(["tail", f"--lines={options.lines}", *follow, "--", str(find_log(options.name))])
    for name, path in list_logs().items():
        print(f"{name:<44} {path}")
    return 0


def _enter(where: str, words: list[str]) -> NoReturn:
    from box.layout import KUBECONFIG

    if where == "core":
        become(core.exec_command(["env", f"KUBECONFIG={KUBECONFIG}", *words]))
    become(node.exec_command(where, words))


def become(command: list[str]) -> NoReturn:
    """Replace this process by `command`: its signals, terminal and exit status are then its own."""
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606 - a terminal command becomes the one it wraps
