# SPDX-License-Identifier: Apache-2.0
"""Processes of the box: started with a log and a record, ended by that record.

A record holds the pid and the start time that the kernel gives (field 22 of /proc/PID/stat), so a pid that was
given to another process meanwhile is never signalled.
"""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from box.errors import BoxError
from box.layout import LOGS, RUN

RECORDS = RUN / "processes"

# A program outlives whoever started it; a dropped Popen would complain about that.
_started: list["subprocess.Popen[bytes]"] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A process that the box started; `started` is in clock ticks since boot."""

    name: str
    pid: int
    started: int
    log: str


def read_start_time(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot; None when there is none or only its zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def is_alive(record: Record) -> bool:
    """Say whether the very process of the record still runs."""
    return read_start_time(record.pid) == record.started


def send(record: Record, number: signal.Signals = signal.SIGKILL) -> bool:
    """Signal the process of the record; False when it is gone. No other process is ever hit."""
    try:
        descriptor = os.pidfd_open(record.pid)
    except (ProcessLookupError, OSError):
        return False
    try:
        # The start time is compared while the descriptor holds on to the process.
        if not is_alive(record):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def record(name: str, pid: int, log: Path) -> Record:
    """Write down a process that was just started; raises BoxError when it is already gone."""
    started = read_start_time(pid)
    if started is None:
        raise BoxError(f"{name} ended at once; see {log}:\n{tail(log)}")
    made = Record(name=name, pid=pid, started=started, log=str(log))
    RECORDS.mkdir(parents=True, exist_ok=True)
    temporary = RECORDS / f".{name}.tmp"
    temporary.write_text(json.dumps(asdict(made)) + "\n", encoding="utf-8")
    temporary.rename(RECORDS / f"{name}.json")
    return made


def forget(name: str) -> None:
    """Remove the record of a process that was ended on purpose."""
    (RECORDS / f"{name}.json").unlink(missing_ok=True)


def read_records() -> list[Record]:
    """Return all records of the run folder, by name."""
    return [Record(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(RECORDS.glob("*.json"))]


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    namespace: str | None = None,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    folder: Path = RUN,
) -> Record:
    """Start a program of the box in the background and record it.

    `namespace` names a network namespace of the box; the output goes to `log` (`logs/<name>.log` of the run folder
    unless given), `environment` is added to the present one. Raises BoxError when the program ends at once.
    """
    log = log or LOGS / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    if namespace:
        # nsenter becomes the program, so the recorded pid is the program's own.
        words = ["nsenter", f"--net=/run/netns/{namespace}", "--", *words]
    with log.open("ab") as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
    _started.append(process)
    return record(name, process.pid, log)


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented, for an error message."""
    if not log.is_file():
        return "    (there is no log yet)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        found = file.read().decode(errors="replace").splitlines()[-lines:]
    return "\n".join(f"    {line[:400]}" for line in found) or "    (the log is empty)"


def require_alive(made: Record) -> None:
    """Raise BoxError with the end of the log when the process has ended."""
    if not is_alive(made):
        raise BoxError(f"{made.name} (pid {made.pid}) has ended; see {made.log}:\n{tail(Path(made.log))}")
