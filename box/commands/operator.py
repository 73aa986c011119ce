# SPDX-License-Identifier: Apache-2.0
"""What runs the module: stop, kill, start it; hold its main queue."""

import argparse

from box.commands import Commands
from box.report import Report

ORDER = 30


def add(commands: Commands) -> None:
    """Register the groups `operator` and `main`."""
    group = commands.group(
        "operator",
        "stop, kill or restart what runs the module's hooks",
        about=(
            "What runs the module's hooks: the box's runner, or the addon-operator that `up` was given. Ended, it\n"
            "stays away until it is started again."
        ),
        examples=(
            "python -m box operator restart",
            "python -m box operator kill-after 2  # die after the second write of a hook",
            "python -m box operator kill-after 1 --object deckhouse-registry",
        ),
    )
    group.command("queues", "what each queue is at", _queues)
    group.command("start", "start it again", _start)
    group.command("stop", "SIGTERM: it waits up to 30 s for a running hook", _stop)
    group.command("kill", "SIGKILL: a running hook goes on as an orphan and its results are lost", _kill)
    group.command("restart", "stop and start", _restart)
    command = group.command(
        "kill-after",
        "let it die in the middle of what a hook asked of the cluster",
        _kill_after,
        about=(
            "The operator kills itself right after the N-th object that hooks write from now on. What came before is\n"
            "done, what follows is not. Start it again: python -m box operator start."
        ),
        examples=(
            "python -m box operator kill-after 3",
            "python -m box operator kill-after 1 --object registry-node-plan",
            "python -m box operator kill-after 0  # not any more",
        ),
    )
    command.add_argument("writes", type=int, metavar="N", help="after how many writes; 0 takes it back")
    command.add_argument("--object", default="", metavar="NAME", help="count writes of this object only")
    _add_main(commands)


def _add_main(commands: Commands) -> None:
    group = commands.group(
        "main",
        "hold the operator's main queue by a broken neighbour",
        about=(
            "Every module of the platform is run in queue `main`: one that is broken holds all others there, while\n"
            "hooks in queues of their own go on. Here module `neighbour` breaks, as real ones do."
        ),
        examples=(
            "python -m box main block",
            "python -m box main block --by chart",
            "python -m box main unblock",
        ),
    )
    command = group.command("block", "break the neighbour and wait until it holds the queue", _block)
    command.add_argument("--by", choices=["hook", "chart"], default="hook", help="what of it breaks (default hook)")
    group.command("unblock", "mend the neighbour; the queue goes on at its next retry, at most 32 s later", _unblock)
    group.command("status", "what the main queue is at", _status)


def _queues(_options: argparse.Namespace, _report: Report) -> int:
    from box.queues import read_queues

    for queue in read_queues():
        print(f"{queue.name}: {queue.words}")
    return 0


def _start(_options: argparse.Namespace, report: Report) -> int:
    from box import controlplane, operator

    with report.stage("operator with the module"):
        record = operator.start_again()
        controlplane.wait_for("the operator", 120, operator.is_ready, record)
    return 0


def _stop(_options: argparse.Namespace, report: Report) -> int:
    import signal

    from box import operator

    report.line(f"the operator has ended, {operator.end(signal.SIGTERM):.1f} s after SIGTERM")
    return 0


def _kill(_options: argparse.Namespace, report: Report) -> int:
    import signal

    from box import operator

    operator.end(signal.SIGKILL)
    report.line("the operator is killed; start it again: python -m box operator start")
    return 0


def _restart(options: argparse.Namespace, report: Report) -> int:
    _stop(options, report)
    return _start(options, report)


def _kill_after(options: argparse.Namespace, report: Report) -> int:
    from urllib.parse import urlencode

    from box.errors import BoxError
    from box.queues import ask

    if options.writes < 0:
        raise BoxError(f"kill-after {options.writes}: say a number of writes, 0 to take it back")
    ask(f"/fuse?{urlencode({'writes': options.writes, 'name': options.object})}")
    report.line(f"it dies after {options.writes} writes" if options.writes else "it does not die any more")
    return 0


def _block(options: argparse.Namespace, report: Report) -> int:
    from box import controlplane
    from box.blocking import Way, block
    from box.queues import read_queues

    block(Way(options.by))

    def held() -> bool:
        tasks = read_queues()[0].tasks
        return bool(tasks) and tasks[0].failures > 0 and "neighbour" in tasks[0].title

    controlplane.wait_for("queue main held by module neighbour", 60, held)
    report.line("queue main is held by module neighbour; mend it: python -m box main unblock")
    return 0


def _unblock(_options: argparse.Namespace, report: Report) -> int:
    from box import controlplane
    from box.blocking import unblock
    from box.queues import read_queues

    unblock()

    def free() -> bool:
        return not any(task.failures and "neighbour" in task.title for task in read_queues()[0].tasks)

    with report.stage("queue main goes on at its next retry"):
        controlplane.wait_for("queue main without a failed task of module neighbour", 60, free)
    return 0


def _status(_options: argparse.Namespace, _report: Report) -> int:
    from box.queues import read_queues

    main = read_queues()[0]
    print(f"{main.name}: {main.words}")
    return 1 if main.tasks and main.tasks[0].failures else 0
