# SPDX-License-Identifier: Apache-2.0
"""What the run folder says about the box: who started it, when, whether it came up whole."""

import datetime
import json
from dataclasses import asdict, dataclass, replace

from box.errors import BoxError
from box.layout import RUN
from box.process import read_start_time

_FILE = RUN / "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A start of the box; `up_pid` and `up_started` name the `up` that did it, `complete` that it ended well."""

    up_pid: int
    up_started: int
    since: str
    operator: str
    containerd: str
    complete: bool = False

    def mark_complete(self) -> None:
        """Write that everything is up."""
        write_state(replace(self, complete=True))


def new_state(pid: int, operator: str, containerd: str) -> State:
    """Return the state of a start that begins now, by process `pid`."""
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return State(
        up_pid=pid, up_started=read_start_time(pid) or 0, since=since, operator=operator, containerd=containerd
    )


def write_state(state: State) -> None:
    """Write the state into the run folder, which is created."""
    RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = _FILE.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(state), indent=1) + "\n", encoding="utf-8")
    temporary.rename(_FILE)


def read_state() -> State | None:
    """Return the state in the run folder; None when no box was started."""
    try:
        return State(**json.loads(_FILE.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def require_state() -> State:
    """Return the state of the box that is up; raises BoxError when there is none."""
    found = read_state()
    if found is None:
        raise BoxError(f"no box runs (nothing in {RUN}); start one: python -m box up")
    return found
