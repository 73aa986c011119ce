# SPDX-License-Identifier: Apache-2.0
"""Removes a box: processes, namespaces, cgroups, folders; also what a killed `up` or a killed process left.

What belongs to the box is known in three ways, any one of which suffices: the records of the run folder, the network
namespaces and the cgroups that begin with its prefix (nothing but the box makes them).
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from box import cgroups, holder, network, process
from box.errors import BoxError
from box.layout import DATA, RUN
from box.report import Report


def take_down(report: Report) -> None:
    """Remove everything of the box; nothing to remove is no error. Raises BoxError naming what could not be removed."""
    _stop_starting_box(report)
    with holder.hold() as held:
        if not held:
            raise BoxError(f"{holder.describe_holder()} is at work on the box just now; wait for it or end it")
        remove_box(report)


def remove_box(report: Report) -> None:
    """Do the removal; the caller holds the lock."""
    ended = _end_processes()
    namespaces = network.list_namespaces()
    network.delete_namespaces()
    stuck = cgroups.remove()
    _unmount_below(RUN, DATA)
    for folder in (RUN, DATA):
        shutil.rmtree(folder, ignore_errors=True)
    left = find_remains()
    if left or stuck:
        raise BoxError("could not remove: " + ", ".join([*left, *map(str, stuck)]) + "; try `python -m box down` again")
    if ended or namespaces:
        report.line(f"the box is down: {ended} processes ended, {len(namespaces)} network namespaces deleted")
    else:
        report.line("there was no box")


def find_remains() -> list[str]:
    """Name everything of the box that exists on this machine, in words."""
    remains = [f"process {pid}" for pid in sorted(_find_processes())]
    remains += [f"network namespace {name}" for name in network.list_namespaces()]
    remains += [f"cgroup {path}" for path in cgroups.list_groups()]
    remains += [f"mount {path}" for path in _find_mounts(RUN, DATA)]
    return remains + [f"folder {path}" for path in (RUN, DATA) if path.exists()]


def _stop_starting_box(report: Report) -> None:
    pid = holder.find_holder()
    if pid is None or pid == os.getpid():
        return
    words = holder.read_command(pid)
    if words[1:3] != ["-m", "box"] or words[3:4] == ["down"]:
        return  # another `down`, or a program that only uses the box: `take_down` says who
    record = process.Record(name="up", pid=pid, started=process.read_start_time(pid) or 0, log="")
    report.line(f"stopping `{' '.join(words[1:])}` (pid {pid}), which is still at work")
    process.send(record, signal.SIGTERM)
    until = time.monotonic() + 5
    while process.is_alive(record) and time.monotonic() < until:
        time.sleep(0.1)
    process.send(record)
    while holder.find_holder() == pid:
        time.sleep(0.05)


def _end_processes(seconds: float = 15.0) -> int:
    """Kill until none is left; returns how many there were. A process may start another one while it is killed."""
    seen: set[int] = set()
    until = time.monotonic() + seconds
    while found := _find_processes():
        if time.monotonic() > until:
            raise BoxError(f"processes {sorted(found)} do not end after SIGKILL; see `ps -o pid,stat,cmd`, try again")
        seen |= found
        for pid in found:
            started = process.read_start_time(pid)
            if started is not None:
                process.send(process.Record(name="", pid=pid, started=started, log=""))
        time.sleep(0.1)
    return len(seen)


def _find_processes() -> set[int]:
    found = {record.pid for record in process.read_records() if process.is_alive(record)}
    found |= {pid for pid in cgroups.list_members() if pid > 0}
    found |= _find_in_namespaces()
    return {pid for pid in found - _own_line() if process.read_start_time(pid) is not None}


def _find_in_namespaces() -> set[int]:
    inodes = {(network.NAMESPACES / name).stat().st_ino for name in network.list_namespaces()}
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                inode = (entry / "ns/net").stat().st_ino
            except OSError:
                continue  # it ended meanwhile
            if inode in inodes:
                found.add(int(entry.name))
    return found


def _own_line() -> set[int]:
    """Return this process and its ancestors: somebody may type `down` in a shell inside the box."""
    line = set()
    pid = os.getpid()
    while pid > 0:
        line.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    return line


def _find_mounts(*folders: Path) -> list[Path]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [Path(line.split()[4]) for line in lines]
    return [point for point in points if any(point.is_relative_to(folder) for folder in folders)]


def _unmount_below(*folders: Path) -> None:
    for point in reversed(_find_mounts(*folders)):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
