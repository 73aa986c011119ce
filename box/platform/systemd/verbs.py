# SPDX-License-Identifier: Apache-2.0
"""What systemctl asks of the init process, verb by verb, with systemctl's exit statuses."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from box.platform.systemd.enablement import disable_unit, enable_unit, is_enabled, plan_links
from box.platform.systemd.jobs import JobKind
from box.platform.systemd.manager import Manager, UnitRefusedError
from box.platform.systemd.service import Service
from box.platform.systemd.states import ActiveState
from box.platform.systemd.timer import Timer
from box.platform.systemd.unit import Unit
from box.platform.systemd.unit_file import UnitNotFoundError, load_unit_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of systemctl."""

    verb: str
    units: tuple[str, ...]
    properties: tuple[str, ...] = ()
    value_only: bool = False
    now: bool = False
    no_block: bool = False
    signal: str = "SIGTERM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What systemctl prints and exits with."""

    status: int = 0
    out: str = ""
    err: str = ""


Reply = Callable[[Answer], None]

_JOBS = {
    "start": JobKind.START,
    "stop": JobKind.STOP,
    "restart": JobKind.RESTART,
    "try-restart": JobKind.RESTART,
    "reload-or-restart": JobKind.RESTART,
}


class Verbs:
    """Serves requests; every one is answered once, jobs when they are done."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def serve(self, request: Request, reply: Reply) -> None:
        """Answer a request through `reply`, now or when its jobs are done."""
        if request.verb in _JOBS:
            self._run_jobs(request, _JOBS[request.verb], reply)
            return
        simple: dict[str, Callable[[Request], Answer]] = {
            "is-active": self._is_active,
            "is-failed": self._is_failed,
            "is-enabled": self._is_enabled,
            "status": self._status,
            "show": self._show,
            "cat": self._cat,
            "daemon-reload": self._daemon_reload,
            "list-timers": self._list_timers,
            "list-units": self._list_units,
            "reload": self._reload,
            "reset-failed": self._reset_failed,
            "kill": self._kill,
            "poweroff": self._poweroff,
        }
        if request.verb in {"enable", "disable"}:
            self._enable_or_disable(request, reply)
        elif request.verb in simple:
            reply(simple[request.verb](request))
        else:
            reply(Answer(status=1, err=f"Verb {request.verb} is not known to the stand-in for systemd."))

    def _run_jobs(self, request: Request, kind: JobKind, reply: Reply) -> None:
        errors: list[str] = []
        names = list(request.units)
        waiting = len(names)
        status = 0

        def done(name: str, failure: str | None) -> None:
            nonlocal waiting, status
            waiting -= 1
            if failure is not None:
                status = status or 1
                errors.append(f'Job for {name} failed because {failure}.\nSee "journalctl -u {name}".')
            if not waiting and not request.no_block:
                reply(Answer(status=status, err="\n".join(errors)))

        if not names:
            reply(Answer(status=1, err="Too few arguments."))
        for name in names:
            try:
                if self._needs_no_job(request.verb, name):
                    done(name, None)
                else:
                    self._manager.request(name, kind, partial(done, name))
            except UnitRefusedError as error:
                status = 5
                errors.append(f"Failed to {request.verb} {name}: {error}")
                waiting -= 1
                if not waiting and not request.no_block:
                    reply(Answer(status=status, err="\n".join(errors)))
        if request.no_block and names:
            reply(Answer(status=status, err="\n".join(errors)))

    def _needs_no_job(self, verb: str, name: str) -> bool:
        if verb == "try-restart":
            return self._manager.get_unit(name).state.is_down
        return verb == "reload-or-restart" and self._reload_unit(name)

    def _reload_unit(self, name: str) -> bool:
        unit = self._manager.get_unit(name)
        return isinstance(unit, Service) and unit.state is ActiveState.ACTIVE and unit.reload()

    def _enable_or_disable(self, request: Request, reply: Reply) -> None:
        lines: list[str] = []
        change = enable_unit if request.verb == "enable" else disable_unit
        for name in request.units:
            try:
                links = change(self._manager.root, name)
            except UnitNotFoundError as error:
                reply(Answer(status=1, err=f"Failed to {request.verb} unit: {error}"))
                return
            word = "Created symlink" if request.verb == "enable" else "Removed"
            lines.extend(f"{word} /{link.relative_to(self._manager.root)}." for link in links)
        self._manager.reload()
        if not request.now:
            reply(Answer(err="\n".join(lines)))
            return
        verb = "start" if request.verb == "enable" else "stop"
        self._run_jobs(Request(verb=verb, units=request.units, no_block=request.no_block), _JOBS[verb], reply)

    def _find(self, name: str) -> Unit | None:
        try:
            return self._manager.get_unit(name)
        except UnitRefusedError:
            return None

    def _is_active(self, request: Request) -> Answer:
        states = [unit.state.value if unit else "inactive" for unit in map(self._find, request.units)]
        return Answer(status=0 if "active" in states else 3, out="\n".join(states))

    def _is_failed(self, request: Request) -> Answer:
        states = [unit.state.value if unit else "inactive" for unit in map(self._find, request.units)]
        return Answer(status=0 if "failed" in states else 1, out="\n".join(states))

    def _is_enabled(self, request: Request) -> Answer:
        words: list[str] = []
        for name in request.units:
            try:
                links = plan_links(self._manager.root, load_unit_file(self._manager.root, name))
            except UnitNotFoundError:
                words.append("not-found")
                continue
            enabled = is_enabled(self._manager.root, name)
            words.append("enabled" if enabled else "disabled" if links else "static")
        return Answer(status=0 if {"enabled", "static"} & set(words) else 1, out="\n".join(words))

    def _status(self, request: Request) -> Answer:
        blocks, status = [], 0
        for name in request.units:
            unit = self._find(name)
            if unit is None:
                return Answer(status=4, err=f"Unit {name} could not be found.")
            properties = unit.properties()
            lines = [f"{name} - {properties.get('Description', name)}"]
            lines.append(f"     Active: {unit.state.value} ({unit.sub_state})")
            if properties.get("MainPID", "0") != "0":
                lines.append(f"   Main PID: {properties['MainPID']}")
            blocks.append("\n".join(lines))
            up = unit.state in {ActiveState.ACTIVE, ActiveState.ACTIVATING}
            status = status or (0 if up else 3)
        return Answer(status=status, out="\n\n".join(blocks))

    def _show(self, request: Request) -> Answer:
        blocks = []
        for name in request.units:
            unit = self._find(name)
            known = unit.properties() if unit else _describe_absent(name)
            known["UnitFileState"] = "enabled" if is_enabled(self._manager.root, name) else "disabled"
            keys = [key for key in request.properties if key in known] if request.properties else list(known)
            blocks.append("\n".join(known[key] if request.value_only else f"{key}={known[key]}" for key in keys))
        return Answer(out="\n\n".join(blocks))

    def _cat(self, request: Request) -> Answer:
        parts = []
        for name in request.units:
            try:
                fragment = load_unit_file(self._manager.root, name).fragment
            except UnitNotFoundError as error:
                return Answer(status=1, err=str(error))
            parts.append(f"# /{fragment.relative_to(self._manager.root)}\n{fragment.read_text(encoding='utf-8')}")
        return Answer(out="\n".join(parts))

    def _daemon_reload(self, _: Request) -> Answer:
        self._manager.reload()
        return Answer()

    def _list_timers(self, _: Request) -> Answer:
        now = self._manager.loop.now()
        lines = [f"{'LEFT':>10} {'UNIT':<40} ACTIVATES"]
        for unit in self._manager.loaded():
            if isinstance(unit, Timer) and not unit.state.is_down:
                left = f"{unit.next_at - now:.1f}s" if unit.next_at else "-"
                lines.append(f"{left:>10} {unit.name:<40} {unit.spec.unit}")
        return Answer(out="\n".join(lines))

    def _list_units(self, _: Request) -> Answer:
        lines = [f"{u.name:<40} {u.state.value:<12} {u.sub_state}" for u in self._manager.loaded()]
        return Answer(out="\n".join(lines))

    def _reload(self, request: Request) -> Answer:
        for name in request.units:
            if not self._reload_unit(name):
                return Answer(status=1, err=f"Failed to reload {name}: it is down or has no ExecReload=.")
        return Answer()

    def _reset_failed(self, request: Request) -> Answer:
        for unit in map(self._find, request.units) if request.units else self._manager.loaded():
            if unit is not None:
                unit.reset_failed()
        return Answer()

    def _kill(self, request: Request) -> Answer:
        for unit in map(self._find, request.units):
            if isinstance(unit, Service):
                unit.kill(signal.Signals[request.signal])
        return Answer()

    def _poweroff(self, _: Request) -> Answer:
        self._manager.shut_down()
        return Answer()


def _describe_absent(name: str) -> dict[str, str]:
    return {
        "Id": name,
        "LoadState": "not-found",
        "ActiveState": "inactive",
        "SubState": "dead",
        "MainPID": "0",
        "ExecMainStartTimestampMonotonic": "0",
    }
