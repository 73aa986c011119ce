# SPDX-License-Identifier: Apache-2.0
"""Path units: start a unit when a file changes (systemd.path(5)).

As with systemd itself, nothing is watched while the started unit runs: a change in that time is not seen, but for a
path that came or went. A path below which a folder is missing is watched through its nearest parent.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from box.platform.systemd import inotify
from box.platform.systemd.states import ActiveState, Result
from box.platform.systemd.unit import Host, Unit
from box.platform.systemd.unit_file import UnitFile

_CHANGED = (
    inotify.DELETE_SELF
    | inotify.MOVE_SELF
    | inotify.ATTRIB
    | inotify.CLOSE_WRITE
    | inotify.CREATE
    | inotify.DELETE
    | inotify.MOVED_FROM
    | inotify.MOVED_TO
)
_PARENT = inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.CREATE | inotify.MOVED_TO


class PathKind(Enum):
    """What about a path starts the unit."""

    EXISTS = "PathExists"
    CHANGED = "PathChanged"
    MODIFIED = "PathModified"


_MASKS = {
    PathKind.EXISTS: _PARENT,
    PathKind.CHANGED: _CHANGED,
    PathKind.MODIFIED: _CHANGED | inotify.MODIFY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSpec:
    """A path unit as its file describes it."""

    unit: str
    paths: tuple[tuple[PathKind, Path], ...]


def parse_path(unit: UnitFile) -> PathSpec:
    """Read a path unit; ValueError names what cannot be obeyed."""
    paths = tuple((kind, Path(text)) for kind in PathKind for text in unit.values("Path", kind.value))
    if not paths or not all(path.is_absolute() for _, path in paths):
        raise ValueError("a path unit needs absolute PathExists=, PathChanged= or PathModified=")
    return PathSpec(unit=unit.value("Path", "Unit", unit.name.removesuffix(".path") + ".service"), paths=paths)


class PathUnit(Unit):
    """A path unit; ValueError from the constructor when its file cannot be obeyed."""

    def __init__(self, host: Host, file: UnitFile) -> None:
        super().__init__(host, file)
        self.spec = parse_path(file)
        self._existed: dict[Path, bool] = {}
        self._inotify: inotify.Inotify | None = None
        self._primary: dict[Path, int | None] = {}

    def adopt(self, file: UnitFile) -> None:
        """Take a re-read path unit; a waiting one watches anew. ValueError keeps the old one."""
        self.spec = parse_path(file)
        super().adopt(file)
        if self.sub_state == "waiting":
            self._wait(initial=True)

    def start(self) -> None:
        """Begin to watch."""
        if self.state is not ActiveState.ACTIVE:
            self.result = Result.SUCCESS
            self._wait(initial=True)

    def stop(self) -> None:
        """Watch no longer."""
        self._unwatch()
        self.set_state(ActiveState.INACTIVE, "dead")

    def noticed(self, other: Unit) -> None:
        """Watch again when the started unit is down; it failing by its start limit fails this unit too."""
        if other.name != self.spec.unit or self.state is not ActiveState.ACTIVE:
            return
        if other.result is Result.START_LIMIT_HIT and other.state is ActiveState.FAILED:
            self._fail(Result.UNIT_START_LIMIT_HIT)
        elif self.sub_state == "running" and other.state.is_down:
            self._wait(initial=False)

    def _real(self, path: Path) -> Path:
        return self.host.root / path.relative_to("/")

    def _wait(self, *, initial: bool) -> None:
        self._unwatch()
        self._inotify = inotify.Inotify()
        self._watch(self._inotify)
        self.host.loop.watch(self._inotify.descriptor, self._on_events)
        came_or_went = False
        for kind, path in self.spec.paths:
            exists = self._real(path).exists()
            if kind is PathKind.EXISTS:
                came_or_went |= exists
            elif not initial:
                came_or_went |= exists != self._existed.get(path, exists)
            self._existed[path] = exists
        self.set_state(ActiveState.ACTIVE, "waiting")
        if came_or_went:
            self._trigger()

    def _watch(self, watcher: inotify.Inotify) -> bool:
        """Watch every path and its parents; True when a path is another inode than before."""
        before = dict(self._primary)
        for kind, path in self.spec.paths:
            real = self._real(path)
            for parent in reversed(real.parents):
                watcher.add(parent, _PARENT)
            watch = watcher.add(real, _MASKS[kind])
            if kind is not PathKind.EXISTS:
                self._primary[path] = watch
        return self._primary != before

    def _unwatch(self) -> None:
        if self._inotify is not None:
            self.host.loop.unwatch(self._inotify.descriptor)
            self._inotify.close()
            self._inotify = None
        self._primary.clear()

    def _on_events(self) -> None:
        if self._inotify is None:
            return
        touched = {event.watch for event in self._inotify.read()}
        replaced = touched and self._watch(self._inotify)
        existing = any(kind is PathKind.EXISTS and self._real(path).exists() for kind, path in self.spec.paths)
        if replaced or existing or touched & set(self._primary.values()):
            self._existed = {path: self._real(path).exists() for _, path in self.spec.paths}
            self._trigger()

    def _trigger(self) -> None:
        self._unwatch()
        self.set_state(ActiveState.ACTIVE, "running")
        if not self.host.trigger(self.spec.unit, self.name):
            self._fail(Result.RESOURCES)

    def _fail(self, result: Result) -> None:
        self._unwatch()
        self.result = result
        self.set_state(ActiveState.FAILED, "failed")

    def properties(self) -> dict[str, str]:
        """Build what `systemctl show` prints."""
        return {**super().properties(), "Unit": self.spec.unit}
