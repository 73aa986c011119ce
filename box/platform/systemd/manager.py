# SPDX-License-Identifier: Apache-2.0
"""The init process: loaded units, jobs, and the notices between units."""

from pathlib import Path

from box.platform.systemd.enablement import find_boot_units
from box.platform.systemd.jobs import Job, JobKind, Phase, StateEvent, Waiter, find_failure, is_blocked
from box.platform.systemd.journal import Journal
from box.platform.systemd.loop import Loop
from box.platform.systemd.path import PathUnit
from box.platform.systemd.service import Service
from box.platform.systemd.states import ActiveState
from box.platform.systemd.timer import Timer
from box.platform.systemd.unit import Target, Unit
from box.platform.systemd.unit_file import UnitFile, UnitNotFoundError, load_unit_file

_KINDS = {".service": Service, ".timer": Timer, ".path": PathUnit, ".target": Target}


class UnitRefusedError(Exception):
    """A unit cannot be loaded: it is absent, of a kind that is not known here, or its file is wrong."""


class Manager:
    """All units of one node; `root` is `/` but in tests."""

    def __init__(self, root: Path, loop: Loop, hostname: str, base_environment: dict[str, str]) -> None:
        self.root = root
        self.loop = loop
        self.journal = Journal(root)
        self.boot = loop.now()
        self.hostname = hostname
        self.base_environment = base_environment
        self._units: dict[str, Unit] = {}
        self._jobs: dict[str, Job] = {}
        self._events: list[StateEvent] = []
        self._number = 0
        self._stopping = False

    def boot_up(self) -> None:
        """Start every unit that a boot target wants; one that cannot be loaded is an error in the journal."""
        for name in find_boot_units(self.root):
            self.trigger(name, "boot")

    def find_unit(self, name: str) -> Unit | None:
        """Return the loaded unit of that name."""
        return self._units.get(name)

    def loaded(self) -> list[Unit]:
        """Every loaded unit by name."""
        return [self._units[name] for name in sorted(self._units)]

    def get_unit(self, name: str) -> Unit:
        """Return a unit, loading it where need be; UnitRefusedError says why it cannot be."""
        unit = self._units.get(name)
        if unit is not None:
            return unit
        kind = _KINDS.get(Path(name).suffix)
        if kind is None:
            raise UnitRefusedError(f"Unit {name} is of a kind that the stand-in for systemd does not know.")
        try:
            file = self._load(name)
            unit = kind(self, file)
        except UnitNotFoundError as error:
            raise UnitRefusedError(str(error)) from error
        except (ValueError, KeyError) as error:
            self.journal.write(name, f"bad unit file: {error}")
            raise UnitRefusedError(f"Unit {name} has a bad unit file setting: {error}") from error
        self._units[name] = unit
        return unit

    def _load(self, name: str) -> UnitFile:
        try:
            file = load_unit_file(self.root, name)
        except UnitNotFoundError:
            if not name.endswith(".target"):
                raise
            return UnitFile(name=name, fragment=self.root, sections={}, problems=())
        for problem in file.problems:
            self.journal.write(name, f"error: {problem}")
        return file

    def reload(self) -> None:
        """Read every loaded unit again; one whose file is gone and that is down is forgotten."""
        for name, unit in tuple(self._units.items()):
            try:
                unit.adopt(self._load(name))
            except UnitNotFoundError:
                if unit.state.is_down:
                    del self._units[name]
            except (ValueError, KeyError) as error:
                self.journal.write(name, f"bad unit file, the old one stays in force: {error}")

    def trigger(self, name: str, by: str) -> bool:
        """Start a unit for another one; False when it cannot be loaded."""
        try:
            self.request(name, JobKind.START)
        except UnitRefusedError as error:
            self.journal.write(by, f"cannot start {name}: {error}")
            return False
        return True

    def request(self, name: str, kind: JobKind, waiter: Waiter | None = None) -> None:
        """Queue a job, with what a start pulls in; `waiter` hears of its end. UnitRefusedError as `get_unit`."""
        unit = self.get_unit(name)
        if kind is not JobKind.STOP:
            if self._stopping:
                raise UnitRefusedError("The node is shutting down.")
            for wanted in (*unit.file.words("Unit", "Requires"), *unit.file.words("Unit", "Wants")):
                other = self._units.get(wanted)
                if wanted not in self._jobs and (other is None or other.state.is_down):
                    self._pull_in(unit, wanted)
        job = self._jobs.get(name)
        if job is None or job.kind is not kind:
            if job is not None:
                self._end(job, f"the job was replaced by {kind.value}")
            job = self._jobs[name] = Job(unit=unit, kind=kind)
        if waiter is not None:
            job.waiters.append(waiter)
        self.loop.call_at(0, self._dispatch)

    def _pull_in(self, unit: Unit, wanted: str) -> None:
        try:
            self.request(wanted, JobKind.START)
        except UnitRefusedError as error:
            if wanted in unit.file.words("Unit", "Requires"):
                raise
            unit.log(f"wanted unit is left out: {error}")

    def changed(self, unit: Unit) -> None:
        """Take a state to be handled after the present round: a unit is never called out of its own call."""
        self._number += 1
        self._events.append(
            StateEvent(number=self._number, unit=unit, state=unit.state, sub_state=unit.sub_state, result=unit.result)
        )
        self.loop.call_at(0, self._dispatch)

    def _dispatch(self) -> None:
        while self._events:
            event = self._events.pop(0)
            job = self._jobs.get(event.unit.name)
            if job is not None and event.number > job.since:
                self._advance(job, event)
            for other in tuple(self._units.values()):
                if other is not event.unit:
                    other.noticed(event.unit)
        for job in tuple(self._jobs.values()):
            if job.phase is Phase.WAITING and not is_blocked(job, self._jobs.values()):
                self._run(job)
        if self._stopping and not self._jobs:
            self.loop.stop()

    def _run(self, job: Job) -> None:
        unit = job.unit
        job.since = self._number
        if job.kind is JobKind.START or (unit.state.is_down and job.kind is JobKind.RESTART):
            if unit.state is ActiveState.DEACTIVATING:
                return  # its end is an event that brings the job here again
            job.phase = Phase.STARTING
            self._start(job)
        elif unit.state.is_down:
            self._end(job, None)
        else:
            job.phase = Phase.STOPPING
            unit.stop()

    def _start(self, job: Job) -> None:
        missing = find_unmet_condition(job.unit.file, self.root)
        if job.unit.state is ActiveState.ACTIVE:
            self._end(job, None)
        elif missing is not None:
            job.unit.log(f"start skipped: {missing} is unmet")
            self.changed(job.unit)
            self._end(job, None)
        else:
            job.unit.start()

    def _advance(self, job: Job, event: StateEvent) -> None:
        if job.phase is Phase.STARTING:
            if event.state is ActiveState.ACTIVE:
                self._end(job, None)
            elif event.state.is_down:
                self._end(job, find_failure(event))
        elif job.phase is Phase.STOPPING and event.state.is_down:
            if job.kind is JobKind.RESTART:
                job.since = self._number
                job.phase = Phase.STARTING
                self._start(job)
            else:
                self._end(job, None)

    def _end(self, job: Job, failure: str | None) -> None:
        if self._jobs.get(job.unit.name) is job:
            del self._jobs[job.unit.name]
        for waiter in job.waiters:
            waiter(failure)

    def shut_down(self) -> None:
        """Stop every unit, then the loop; a second call changes nothing."""
        if self._stopping:
            return
        self._stopping = True
        for job in tuple(self._jobs.values()):
            self._end(job, "the node is shutting down")
        for unit in self.loaded():
            if not unit.state.is_down:
                self.request(unit.name, JobKind.STOP)
        self.loop.call_at(0, self._dispatch)


def find_unmet_condition(file: UnitFile, root: Path) -> str | None:
    """Return the first ConditionPathExists= that does not hold, or None."""
    for condition in file.values("Unit", "ConditionPathExists"):
        negated = condition.startswith("!")
        path = root / condition.removeprefix("!").strip().lstrip("/")
        if path.exists() == negated:
            return f"ConditionPathExists={condition}"
    return None
