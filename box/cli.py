# SPDX-License-Identifier: Apache-2.0
"""Command line of the box; the commands themselves are in `box.commands`."""

import argparse
import signal
from types import FrameType

from box.commands import Commands, Parser, add_all, show_examples
from box.errors import BoxError
from box.images.debian import PackagesError
from box.layout import RUN, cache_folder
from box.report import Report, complain

_ABOUT = """\
A real small Kubernetes cluster on this machine: etcd, API server, controller-manager, scheduler, and three nodes
(master-0, worker-0, worker-1) with real kubelets and containerd, each in namespaces of its own; registry
registry-a.box.test with a set of platform images; stand-ins for the parts of the platform that the module meets.
The machine's own network is not touched. Needs root.
"""

_EXAMPLES = (
    "python -m box up  # start it (the first time builds, for 15 minutes)",
    "python -m box kubectl get nodes -o wide",
    "python -m box status  # processes, nodes, logs",
    "python -m box exec worker-0 -- ctr -n k8s.io images ls",
    "python -m box down  # remove all of it",
)


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit status."""
    # All that follows `kubectl` is kubectl's own, options too; argparse would take those for the box's.
    passed = arguments[1:] if arguments[:1] == ["kubectl"] else []
    options = build_parser().parse_args(arguments[: len(arguments) - len(passed)])
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


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    where = f"run folder {RUN}: kubeconfig, logs/, registry-a/registry.log; cache: $BOX_CACHE or {cache_folder()}"
    parser = Parser(
        prog="python -m box",
        description=_ABOUT,
        epilog=f"{show_examples(_EXAMPLES)}\n\n{where}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_all(Commands(parser))
    return parser


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise BoxError("stopped by SIGTERM; what is there already is removed by: python -m box down")
