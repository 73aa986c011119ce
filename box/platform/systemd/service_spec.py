# SPDX-License-Identifier: Apache-2.0
"""What a `.service` unit file asks for, as one frozen value."""

import signal
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from box.platform.systemd.command_line import ExecLine, parse_environment, parse_exec_line
from box.platform.systemd.spans import parse_span
from box.platform.systemd.unit_file import UnitFile

INFINITE = float("inf")


class ServiceType(Enum):
    """How a service says that it is up."""

    SIMPLE = "simple"
    EXEC = "exec"
    NOTIFY = "notify"
    ONESHOT = "oneshot"


class Restart(Enum):
    """When a service that ended is started again."""

    NO = "no"
    ALWAYS = "always"
    ON_SUCCESS = "on-success"
    ON_FAILURE = "on-failure"
    ON_ABNORMAL = "on-abnormal"


class KillMode(Enum):
    """Which processes of a service are ended with it."""

    CONTROL_GROUP = "control-group"
    MIXED = "mixed"
    PROCESS = "process"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """A service as its unit file describes it; spans in seconds."""

    name: str
    type: ServiceType
    start_pre: tuple[ExecLine, ...]
    start: tuple[ExecLine, ...]
    start_post: tuple[ExecLine, ...]
    stop: tuple[ExecLine, ...]
    stop_post: tuple[ExecLine, ...]
    reload: tuple[ExecLine, ...]
    environment: dict[str, str]
    environment_files: tuple[str, ...]
    working_directory: str
    restart: Restart
    restart_after: float
    kill_mode: KillMode
    kill_signal: int
    start_timeout: float
    stop_timeout: float
    remain_after_exit: bool
    success_statuses: frozenset[int]
    directories: tuple[Path, ...]
    nice: int
    umask: int
    silent: bool
    start_limit_interval: float
    start_limit_burst: int

    def is_clean(self, status: int) -> bool:
        """Whether a wait status counts as success: 0, a listed one, or for daemons a terminating signal."""
        if status >= 0:
            return status == 0 or status in self.success_statuses
        clean = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE}
        return self.type is not ServiceType.ONESHOT and -status in clean

    def is_restarted_after(self, *, clean: bool, timed_out: bool, signalled: bool) -> bool:
        """Whether `Restart=` wants the service back after such an end (the table in systemd.service(5))."""
        match self.restart:
            case Restart.ALWAYS:
                return True
            case Restart.ON_SUCCESS:
                return clean
            case Restart.ON_FAILURE:
                return not clean
            case Restart.ON_ABNORMAL:
                return timed_out or (signalled and not clean)
            case Restart.NO:
                return False


def parse_service(unit: UnitFile, hostname: str) -> ServiceSpec:
    """Read a service; ValueError names the directive that cannot be obeyed."""

    def lines(key: str) -> tuple[ExecLine, ...]:
        return tuple(parse_exec_line(text, unit.name, hostname) for text in unit.values("Service", key))

    def span(key: str, default: float) -> float:
        text = unit.value("Service", key)
        return parse_span(text) if text else default

    kind = ServiceType(unit.value("Service", "Type", "simple"))
    start = lines("ExecStart")
    if not start or (len(start) > 1 and kind is not ServiceType.ONESHOT):
        raise ValueError("ExecStart= must be given, and once unless Type=oneshot")
    outputs = {unit.value("Service", key, "journal") for key in ("StandardOutput", "StandardError")}
    if not outputs <= {"journal", "inherit", "null"}:
        raise ValueError("StandardOutput= and StandardError= know journal, inherit and null here")
    timeout = span("TimeoutSec", 90.0)
    limit = unit.value("Unit", "StartLimitIntervalSec")
    return ServiceSpec(
        name=unit.name,
        type=kind,
        start_pre=lines("ExecStartPre"),
        start=start,
        start_post=lines("ExecStartPost"),
        stop=lines("ExecStop"),
        stop_post=lines("ExecStopPost"),
        reload=lines("ExecReload"),
        environment=parse_environment(unit.values("Service", "Environment")),
        environment_files=unit.values("Service", "EnvironmentFile"),
        working_directory=unit.value("Service", "WorkingDirectory", "/"),
        restart=Restart(unit.value("Service", "Restart", "no")),
        restart_after=span("RestartSec", 0.1),
        kill_mode=KillMode(unit.value("Service", "KillMode", "control-group")),
        kill_signal=signal.Signals[unit.value("Service", "KillSignal", "SIGTERM")].value,
        start_timeout=span("TimeoutStartSec", INFINITE if kind is ServiceType.ONESHOT else timeout) or INFINITE,
        stop_timeout=span("TimeoutStopSec", timeout) or INFINITE,
        remain_after_exit=unit.flag("Service", "RemainAfterExit"),
        success_statuses=frozenset(int(word) for word in unit.words("Service", "SuccessExitStatus")),
        directories=tuple(
            Path(base) / word
            for key, base in (("RuntimeDirectory", "run"), ("StateDirectory", "var/lib"))
            for word in unit.words("Service", key)
        ),
        nice=int(unit.value("Service", "Nice", "0")),
        umask=int(unit.value("Service", "UMask", "0022"), 8),
        silent=outputs == {"null"},
        start_limit_interval=parse_span(limit) if limit else 10.0,
        start_limit_burst=int(unit.value("Unit", "StartLimitBurst", "5")),
    )
