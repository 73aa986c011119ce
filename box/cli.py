# SPDX-License-Identifier: Apache-2.0
"""Command line of the box."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from box import core, node
from box.build import build_all
from box.down import take_down
from box.errors import BoxError
from box.images.debian import PackagesError
from box.layout import KUBECONFIG, LOGS, RUN, cache_folder
from box.machine import install_missing
from box.report import Report, complain
from box.state import read_state

_ABOUT = """\
A real small Kubernetes cluster on this machine: etcd, API server, controller-manager, scheduler, and three nodes
(master-0, worker-0, worker-1) with real kubelets and containerd, each in namespaces of its own; registry
registry-a.box.test with a set of platform images; stand-ins for the parts of the platform that the module meets.
The machine's own network is not touched. Needs root.
"""

_TRY = f"""\
a first look:
  python -m box up                                    start it (the first time builds, for 15 minutes)
  python -m box kubectl get nodes -o wide
  python -m box status                                processes, nodes, logs
  python -m box exec worker-0 -- ctr -n k8s.io images ls
  python -m box down                                  remove all of it

run folder {RUN}: kubeconfig, logs/, registry-a/registry.log; cache: $BOX_CACHE or {cache_folder()}
"""


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit status."""
    # All that follows `kubectl` is kubectl's own, options too; argparse would take those for the box's.
    passed = arguments[1:] if arguments[:1] == ["kubectl"] else []
    options = _build_parser().parse_args(arguments[: len(arguments) - len(passed)])
    if passed:
        options.words = passed
    signal.signal(signal.SIGTERM, _stop)
    report = Report()
    try:
        status: int = options.run(options, report)
    except (BoxError, PackagesError) as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("interrupted; what is there already is removed by: python -m box down")
        return 130
    return status


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise BoxError("stopped by SIGTERM; what is there already is removed by: python -m box down")


def _build_parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m box", description=_ABOUT, epilog=_TRY, formatter_class=form)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("up", help="start the cluster; a minute on a warm cache")
    command.add_argument("--operator", type=Path, metavar="PATH", help="addon-operator to run in place of box.runner")
    command.add_argument(
        "--containerd-dir", type=Path, metavar="DIR", help="take containerd, containerd-shim-runc-v2 and ctr from DIR"
    )
    command.add_argument("--masters", type=int, default=1, metavar="N", help="how many masters (default 1)")
    command.add_argument("--workers", type=int, default=2, metavar="N", help="how many workers (default 2)")
    command.set_defaults(run=_up)
    command = commands.add_parser("down", help="remove everything of the box, also after a crash")
    command.set_defaults(run=_down)
    command = commands.add_parser("status", help="processes and nodes as a table; status 1 when something is not well")
    command.set_defaults(run=_status)
    command = commands.add_parser("deps", help="install Debian packages that this machine lacks, none with a service")
    command.set_defaults(run=_deps)
    command = commands.add_parser("build", help="fill the cache: programs and images; nothing to do when warm")
    command.set_defaults(run=_build)
    command = commands.add_parser("demo", help="the first switch, Unmanaged to Direct, under load, proven")
    command.add_argument("--keep", action="store_true", help="leave the box up afterwards")
    command.set_defaults(run=_demo)
    command = commands.add_parser("kubectl", help="kubectl as cluster-admin", add_help=False)
    command.set_defaults(run=_kubectl, words=[])
    command = commands.add_parser("exec", help="run a command inside a node, or inside `core`")
    command.add_argument("where", metavar="NODE|core")
    command.add_argument("words", nargs=argparse.REMAINDER)
    command.set_defaults(run=_exec)
    return parser


def _up(options: argparse.Namespace, report: Report) -> int:
    from box.up import Options, bring_up

    asked = Options(
        operator=options.operator,
        containerd=options.containerd_dir,
        masters=options.masters,
        workers=options.workers,
    )
    bring_up(asked, report)
    report.line(f"the box is up; kubeconfig {KUBECONFIG}, logs {LOGS}; try: python -m box kubectl get nodes")
    return 0


def _down(_options: argparse.Namespace, report: Report) -> int:
    take_down(report)
    return 0


def _status(_options: argparse.Namespace, _report: Report) -> int:
    from box.status import show_status

    found = read_state()
    if found is None:
        complain(f"no box runs (nothing in {RUN}); start one: python -m box up")
        return 1
    return 0 if show_status(found) else 1


def _deps(_options: argparse.Namespace, report: Report) -> int:
    install_missing(report)
    return 0


def _build(_options: argparse.Namespace, report: Report) -> int:
    build_all(report)
    report.line(f"all is built in {cache_folder()}")
    return 0


def _demo(options: argparse.Namespace, report: Report) -> int:
    from box.demo.command import run_demo

    return run_demo(keep=options.keep, report=report)


def _kubectl(options: argparse.Namespace, _report: Report) -> int:
    from box.build import list_artifacts

    cache = cache_folder()
    folder = next(each.folder(cache) for each in list_artifacts(cache) if each.name == "kubernetes")
    _become(core.exec_command(["env", f"KUBECONFIG={KUBECONFIG}", folder / "kubectl", *options.words]))
    return 0


def _exec(options: argparse.Namespace, _report: Report) -> int:
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise BoxError("say what to run, for example: python -m box exec worker-0 -- systemctl status kubelet")
    if options.where == "core":
        _become(core.exec_command(["env", f"KUBECONFIG={KUBECONFIG}", *words]))
    _become(node.exec_command(options.where, words))
    return 0


def _become(command: list[str]) -> None:
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606 - a terminal command becomes the one it wraps
