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
from box.state import require_state

_ABOUT = """\
A real small Kubernetes cluster on this machine: etcd, API server, controller-manager, scheduler, nodes with real
kubelets and containerd, each in namespaces of its own; registries that can be broken on purpose; stand-ins for the
parts of the platform that the module meets; and the module itself, as it is shipped. The machine's own network is not
touched. Needs root. docs/internal/BOX.md is the guide.
"""

_EXAMPLES = (
    "python -m box up  # start it (the first time builds, for 15 minutes)",
    "python -m box status  # nodes, registries, queues, the module, processes",
    "python -m box kubectl get pods -A -o wide",
    "python -m box logs operator -f  # what the module's hooks do",
    "python -m box fault registry a 503  # and what they do when a registry is broken",
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
    return run(options)


def run(options: argparse.Namespace) -> int:
    """Run a parsed command; what goes wrong is one line for people and the exit status."""
    report = Report()
    try:
        if options.needs_box:
            require_state()
        status: int = options.run(options, report)
    except (BoxError, PackagesError) as error:
        complain(str(error))
        return 1
    except (ConnectionError, TimeoutError) as error:
        complain(f"the API server does not answer ({error}); is it down? start it again: python -m box api up")
        return 1
    except KeyboardInterrupt:
        complain("interrupted; what is there already is removed by: python -m box down")
        return 130
    return status


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    where = f"run folder {RUN}: kubeconfig, logs/, registries/; cache: $BOX_CACHE or {cache_folder()}"
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
