# SPDX-License-Identifier: Apache-2.0
"""What every kind of unit has: states with times, and the host that it lives in."""

from pathlib import Path
from typing import Protocol

from box.platform.systemd.journal import Journal
from box.platform.systemd.loop import Loop
from box.platform.systemd.states import ActiveState, Result
from box.platform.systemd.unit_file import UnitFile


class Host(Protocol):
    """What a unit asks of the init process."""

    root: Path
    loop: Loop
    journal: Journal
    boot: float
    hostname: str
    base_environment: dict[str, str]

    def trigger(self, name: str, by: str) -> bool:
        """Start unit `name` for a timer or path unit; False when it cannot be started."""
        ...

    def find_unit(self, name: str) -> "Unit | None":
        """Return the loaded unit of that name."""
        ...

    def changed(self, unit: "Unit") -> None:
        """Take notice of a new state of a unit."""
        ...


class Unit:
    """A loaded unit; times are seconds of the monotonic clock, 0 for never."""

    def __init__(self, host: Host, file: UnitFile) -> None:
        self.host = host
        self.file = file
        self.state = ActiveState.INACTIVE
        self.sub_state = "dead"
        self.result = Result.SUCCESS
        self.activating_at = 0.0
        self.active_at = 0.0
        self.down_at = 0.0

    @property
    def name(self) -> str:
        """The unit's name with its suffix."""
        return self.file.name

    def log(self, line: str) -> None:
        """Write a line about this unit, of level info: LogLevelMax= may keep it back.

        What the unit itself prints is never kept back here.
        """
        if self.file.value("Service", "LogLevelMax", "debug") in {"info", "debug"}:
            self.log_error(line)

    def log_error(self, line: str) -> None:
        """Write a line about this unit whatever its LogLevelMax= is."""
        self.host.journal.write(self.name, line)

    def set_state(self, state: ActiveState, sub_state: str) -> None:
        """Enter a state and tell the host."""
        now = self.host.loop.now()
        was = self.state
        self.state, self.sub_state = state, sub_state
        if state != was:
            if was.is_down and not state.is_down:
                self.activating_at = now
            if state is ActiveState.ACTIVE:
                self.active_at = now
            if state.is_down:
                self.down_at = now
        self.host.changed(self)

    def adopt(self, file: UnitFile) -> None:
        """Take a re-read unit file; what runs goes on."""
        self.file = file

    def start(self) -> None:
        """Begin to start; the end is a state."""
        raise NotImplementedError

    def stop(self) -> None:
        """Begin to stop; the end is a state."""
        raise NotImplementedError

    def reset_failed(self) -> None:
        """Forget a failure."""
        if self.state is ActiveState.FAILED:
            self.result = Result.SUCCESS
            self.set_state(ActiveState.INACTIVE, "dead")

    def noticed(self, other: "Unit") -> None:
        """Take notice of another unit's new state."""

    def properties(self) -> dict[str, str]:
        """Build what `systemctl show` prints."""
        return {
            "Id": self.name,
            "LoadState": "loaded",
            "ActiveState": self.state.value,
            "SubState": self.sub_state,
            "Result": self.result.value,
            "FragmentPath": "/" + str(self.file.fragment.relative_to(self.host.root)),
            "Description": self.file.value("Unit", "Description", self.name),
            "InactiveExitTimestampMonotonic": format_microseconds(self.activating_at),
            "ActiveEnterTimestampMonotonic": format_microseconds(self.active_at),
            "InactiveEnterTimestampMonotonic": format_microseconds(self.down_at),
        }


class Target(Unit):
    """A target: a name to order by, up as soon as it is started."""

    def start(self) -> None:
        """Be active."""
        self.set_state(ActiveState.ACTIVE, "active")

    def stop(self) -> None:
        """Be inactive."""
        self.set_state(ActiveState.INACTIVE, "dead")

    def properties(self) -> dict[str, str]:
        """Build what `systemctl show` prints; a target needs no file."""
        return {"Id": self.name, "LoadState": "loaded", "ActiveState": self.state.value, "SubState": self.sub_state}


def format_microseconds(seconds: float) -> str:
    """Write seconds as systemd shows moments: whole microseconds."""
    return str(int(seconds * 1_000_000))
