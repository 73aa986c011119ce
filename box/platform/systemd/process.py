# SPDX-License-Identifier: Apache-2.0
"""Processes of units: starting one, and finding all that belong to one start of a unit.

systemd keeps a control group a unit. The box's nodes cannot (some machines have no writable hierarchy to give away),
so a start of a unit is known by INVOCATION_ID, which systemd sets too, in its processes' environment. Containers
have an environment of their own and are not found, as with `KillMode=process` services they need not be.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """All that a new process of a unit needs; `output` is an open descriptor for both streams."""

    words: list[str]
    environment: dict[str, str]
    working_directory: str
    nice: int
    umask: int
    output: int


def start_process(launch: Launch) -> int:
    """Start a process in a session of its own and return its id; the child ends with 203 when it cannot be run."""
    # Until the child has signals of its own, one that is meant for it would be written to the loop of this process.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid
    try:
        os.setsid()
        _restore_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        with Path("/dev/null").open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(launch.output, 1)
        os.dup2(launch.output, 2)
        os.umask(launch.umask)
        if launch.nice:
            os.nice(launch.nice)
        os.chdir(launch.working_directory)
        os.execvpe(launch.words[0], launch.words, launch.environment)  # noqa: S606
    except OSError as error:
        os.write(2, f"{launch.words[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(203)


def _restore_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def find_group(invocation: str) -> set[int]:
    """Ids of the living processes that carry this INVOCATION_ID."""
    mark = f"INVOCATION_ID={invocation}".encode()
    found: set[int] = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            environment = Path(f"/proc/{entry.name}/environ").read_bytes()
        except OSError:  # it ended meanwhile, or is none of ours
            continue
        if mark in environment.split(b"\0"):
            found.add(int(entry.name))
    return found


def send_signal(pids: set[int], number: int) -> None:
    """Signal each process; one that ended meanwhile is no error."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
