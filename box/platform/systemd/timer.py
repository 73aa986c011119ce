# SPDX-License-Identifier: Apache-2.0
"""Timers: when the next start of a unit is due (systemd.timer(5), monotonic timers)."""

import hashlib
import random
from dataclasses import dataclass
from enum import Enum

from box.platform.systemd.loop import Moment
from box.platform.systemd.spans import parse_span
from box.platform.systemd.states import ActiveState, Result
from box.platform.systemd.unit import Host, Unit, format_microseconds
from box.platform.systemd.unit_file import UnitFile


class TimerBase(Enum):
    """What a monotonic timer counts from."""

    BOOT = "OnBootSec"
    STARTUP = "OnStartupSec"
    ACTIVE = "OnActiveSec"
    UNIT_ACTIVE = "OnUnitActiveSec"
    UNIT_INACTIVE = "OnUnitInactiveSec"


_ONE_TIME = {TimerBase.BOOT, TimerBase.STARTUP, TimerBase.ACTIVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerSpec:
    """A timer as its file describes it; spans in seconds."""

    unit: str
    spans: tuple[tuple[TimerBase, float], ...]
    random_delay: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerTimes:
    """Moments that timers count from, in seconds of the monotonic clock; 0 for never."""

    boot: float
    timer_active: float
    unit_active: float
    unit_inactive: float
    last_trigger: float


def parse_timer(unit: UnitFile) -> TimerSpec:
    """Read a timer; ValueError names what cannot be obeyed."""
    spans = tuple((base, parse_span(text)) for base in TimerBase for text in unit.values("Timer", base.value))
    if not spans:
        raise ValueError("a timer needs OnBootSec=, OnActiveSec=, OnUnitActiveSec= or OnUnitInactiveSec=")
    return TimerSpec(
        unit=unit.value("Timer", "Unit", unit.name.removesuffix(".timer") + ".service"),
        spans=spans,
        random_delay=parse_span(unit.value("Timer", "RandomizedDelaySec", "0")),
        accuracy=parse_span(unit.value("Timer", "AccuracySec", "1min")),
    )


def find_next_elapse(spec: TimerSpec, times: TimerTimes, now: float, *, initial: bool) -> float | None:
    """Moment of the next start without delays, None for never.

    A one-time span that already went by counts only at the timer's own start (`initial`).
    """
    bases = {
        TimerBase.BOOT: times.boot,
        TimerBase.STARTUP: times.boot,
        TimerBase.ACTIVE: times.timer_active,
        TimerBase.UNIT_ACTIVE: max(times.unit_active, times.last_trigger),
        TimerBase.UNIT_INACTIVE: max(times.unit_inactive, times.last_trigger),
    }
    due = []
    for base, span in spec.spans:
        moment = bases[base] + span
        recurring = base not in _ONE_TIME
        if recurring and not bases[base]:
            continue
        if not recurring and not initial and moment <= now:
            continue
        due.append(moment)
    return max(min(due), now) if due else None


def compute_accuracy_share(hostname: str, unit: str) -> float:
    """Place of a host within `AccuracySec`, from 0 to 1.

    systemd puts a start anywhere in that window, at a place that is stable for a machine. Doing the same shows
    units that forget the default of a minute.
    """
    digest = hashlib.sha256(f"{hostname}/{unit}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


class Timer(Unit):
    """A timer unit; ValueError from the constructor when its file cannot be obeyed."""

    def __init__(self, host: Host, file: UnitFile) -> None:
        super().__init__(host, file)
        self.spec = parse_timer(file)
        self.next_at = 0.0
        self.last_trigger = 0.0
        self._moment: Moment | None = None

    def adopt(self, file: UnitFile) -> None:
        """Take a re-read timer; a waiting one counts anew. ValueError keeps the old one."""
        self.spec = parse_timer(file)
        super().adopt(file)
        if self.sub_state in {"waiting", "elapsed"}:
            self._wait(initial=False)

    def start(self) -> None:
        """Begin to wait."""
        if self.state is not ActiveState.ACTIVE:
            self.result = Result.SUCCESS
            self.set_state(ActiveState.ACTIVE, "waiting")
            self._wait(initial=True)

    def stop(self) -> None:
        """Wait no longer; what was started goes on."""
        self._cancel()
        self.set_state(ActiveState.INACTIVE, "dead")

    def noticed(self, other: Unit) -> None:
        """Wait again when the started unit is down."""
        if other.name == self.spec.unit and self.state is ActiveState.ACTIVE:
            if self.sub_state == "running" and other.state.is_down:
                self._wait(initial=False)
            elif self.sub_state in {"waiting", "elapsed"} and not other.state.is_down:
                self._cancel()
                self.set_state(ActiveState.ACTIVE, "running")

    def _wait(self, *, initial: bool) -> None:
        self._cancel()
        other = self.host.find_unit(self.spec.unit)
        times = TimerTimes(
            boot=self.host.boot,
            timer_active=self.active_at,
            unit_active=other.activating_at if other else 0.0,
            unit_inactive=other.down_at if other else 0.0,
            last_trigger=self.last_trigger,
        )
        due = find_next_elapse(self.spec, times, self.host.loop.now(), initial=initial)
        if due is None:
            self.set_state(ActiveState.ACTIVE, "elapsed")
            return
        share = compute_accuracy_share(self.host.hostname, self.name)
        delay = random.uniform(0, self.spec.random_delay)  # noqa: S311 (it spreads load, it guards nothing)
        self.next_at = due + delay + self.spec.accuracy * share
        self._moment = self.host.loop.call_at(self.next_at, self._elapse)
        self.set_state(ActiveState.ACTIVE, "waiting")

    def _elapse(self) -> None:
        self.last_trigger = self.host.loop.now()
        self.next_at = 0.0
        self._moment = None
        self.set_state(ActiveState.ACTIVE, "running")
        if not self.host.trigger(self.spec.unit, self.name):
            self.result = Result.RESOURCES
            self.set_state(ActiveState.FAILED, "failed")

    def _cancel(self) -> None:
        self.next_at = 0.0
        if self._moment is not None:
            self._moment.cancel()
            self._moment = None

    def properties(self) -> dict[str, str]:
        """Build what `systemctl show` prints."""
        return {
            **super().properties(),
            "Unit": self.spec.unit,
            "NextElapseUSecMonotonic": format_microseconds(self.next_at),
            "LastTriggerUSecMonotonic": format_microseconds(self.last_trigger),
        }
