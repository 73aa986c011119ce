# SPDX-License-Identifier: Apache-2.0
"""Visit every state that a transition can lead to, once, breadth first, and look at each and at every move.

Breadth first, so that the way to a violation is a shortest one. A state is expanded from the first world that was in
it. When all is seen, every state must have a way to an end that needs neither a fault nor luck.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.prove.canonical import build_key
from tests.prove.clock import Clock
from tests.prove.coverage import Coverage, Recorder, name_stage
from tests.prove.ends import find_wrong_end
from tests.prove.faults import FAULTS, Fault
from tests.prove.invariants import find_violations, find_wrong_moves
from tests.prove.moves import BUDGET, CRASH, FAULT, LATE, NORMAL, Move, list_moves, pass_time
from tests.prove.start import ask
from tests.prove.store import World
from tests.prove.transitions import Transition


@dataclass(frozen=True, slots=True)
class Violation:
    """What was broken, and the moves that led there."""

    transition: str
    text: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        steps = "\n".join(f"  {number:3}. {label}" for number, label in enumerate(self.trace, 1))
        return f"{self.transition}: {self.text}\n{steps}"


@dataclass(slots=True)
class Search:
    """What one search has seen so far."""

    transition: Transition
    faults: tuple[Fault, ...] = FAULTS
    with_crash: bool = True
    limit: int = 0
    stop_at: int = 1
    clock: Clock = field(default_factory=Clock)
    keys: dict[bytes, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    is_complete: bool = False
    moves: int = 0
    moments: dict[str, list[tuple[int, World]]] = field(default_factory=dict)
    _parents: array[int] = field(default_factory=lambda: array("i"))
    _labels: list[str] = field(default_factory=list)
    _label_ids: dict[str, int] = field(default_factory=dict)
    _ways: array[int] = field(default_factory=lambda: array("i"))
    _fair: list[tuple[int, ...]] = field(default_factory=list)
    _ends: set[int] = field(default_factory=set)
    _recorder: Recorder = field(default_factory=Recorder)
    _queue: deque[tuple[int, World]] = field(default_factory=deque)

    def run(self) -> Search:
        """Search until all is seen, `limit` states are known, or `stop_at` violations are."""
        self._enter(ask(self.transition), -1, f"the settings ask for {self.transition.name}")
        while self._queue and len(self.violations) < self.stop_at:
            if (self.limit and len(self.keys) >= self.limit) or self.clock.is_over:
                break
            self.clock.tell(self._tell)
            index, world = self._queue.popleft()
            self._expand(index, world)
        self.is_complete = not self._queue
        if self.is_complete and not self.violations:
            self._look_for_livelocks()
        return self

    def _expand(self, index: int, world: World) -> None:
        fair: list[int] = []
        late: list[int] = []
        for move in list_moves(world, self.faults, with_crash=self.with_crash):
            number = self._follow(index, world, move)
            if number != index and move.kind in (NORMAL, LATE):
                (fair if move.kind == NORMAL else late).append(number)
        if not fair:
            # Nothing else moves: time goes on, until that changes nothing either.
            number = self._follow(index, world, pass_time(world))
            if number != index:
                fair.append(number)
            elif not late:
                self._ends.add(index)
                self._report(find_wrong_end(world, self.transition), index)
        self._fair[index] = tuple(fair or late)

    def _tell(self) -> str:
        return f"{self.transition.name}: {len(self.keys)} states, {len(self._queue)} of them to be gone on from"

    def cover(self) -> Coverage:
        """What was visited of all combinations of writes and faults."""
        return self._recorder.read(len(self.keys))

    def _follow(self, index: int, world: World, move: Move) -> int:
        self.moves += 1
        wrong = list(find_wrong_moves(world, move))
        number = self._enter(move.after, index, move.label)
        if move.kind == FAULT:
            self._recorder.note_fault(index, move.label.removeprefix("FAULT "))
        else:
            stage = name_stage(world) if move.writes else ""
            writes = [f"{stage}: {name}" for name in move.writes]
            budget = world.docs[BUDGET].body
            is_clean = move.kind == NORMAL and not budget["crash"] and not budget["fault"]
            self._recorder.note(index, number, writes, is_clean=is_clean)
            if is_clean:
                self._keep_moments(index, world, writes)
            if move.kind == CRASH:
                self._recorder.note_fault(number, CRASH)
        self._report(wrong, number if self._parents[number] == index else index, move.label)
        return number

    def _keep_moments(self, index: int, world: World, writes: Iterable[str]) -> None:
        """Keep where each write was made first, and where it was made last."""
        for name in writes:
            kept = self.moments.setdefault(name, [])
            kept[1:] = [(index, world)] if kept else []
            if not kept:
                kept.append((index, world))

    def trace(self, index: int) -> tuple[str, ...]:
        """The moves that lead to a state."""
        labels = []
        while index >= 0:
            labels.append(self._labels[self._ways[index]])
            index = self._parents[index]
        return tuple(reversed(labels))

    def _enter(self, world: World, parent: int, label: str) -> int:
        key = build_key(world)
        number = self.keys.get(key)
        if number is None:
            number = self.keys[key] = len(self.keys)
            self._parents.append(parent)
            self._ways.append(self._label_ids.setdefault(label, len(self._label_ids)))
            if len(self._labels) < len(self._label_ids):
                self._labels.append(label)
            self._fair.append(())
            self._queue.append((number, world))
            self._report(find_violations(world), number)
        return number

    def _report(self, texts: Iterator[str] | list[str], index: int, last: str = "") -> None:
        for text in texts:
            trace = self.trace(index)
            if last and trace[-1] != last:
                trace = (*trace, last)
            self.violations.append(Violation(self.transition.name, text, trace))

    def _look_for_livelocks(self) -> None:
        """Walk back from the ends; what is not reached goes round in circles for ever."""
        backwards: list[list[int]] = [[] for _ in self._fair]
        for index, after in enumerate(self._fair):
            for number in after:
                backwards[number].append(index)
        reached, left = set(self._ends), list(self._ends)
        while left:
            for index in backwards[left.pop()]:
                if index not in reached:
                    reached.add(index)
                    left.append(index)
        lost = next((index for index in range(len(self._fair)) if index not in reached), None)
        if lost is not None:
            circle = self._walk_circle(lost)
            text = f"livelock: no end can be reached any more; it goes on with {', then '.join(circle)}"
            self.violations.append(Violation(self.transition.name, text, self.trace(lost)))

    def _walk_circle(self, index: int) -> list[str]:
        """Name the moves of a circle: worlds are not kept, so the way is gone once more."""
        world, seen, labels = self._replay(index), [index], []
        while True:
            moves = list(list_moves(world, (), with_crash=False)) or [pass_time(world)]
            move = next(move for move in moves if self.keys[build_key(move.after)] != seen[-1])
            world, number = move.after, self.keys[build_key(move.after)]
            labels.append(move.label)
            if number in seen:
                return labels[seen.index(number) :]
            seen.append(number)

    def _replay(self, index: int) -> World:
        world = ask(self.transition)
        for label in self.trace(index)[1:]:
            moves = [*list_moves(world, self.faults, with_crash=self.with_crash), pass_time(world)]
            world = next(move.after for move in moves if move.label == label)
        return world
