# SPDX-License-Identifier: Apache-2.0
"""Which combinations of a write and what happens right after it were really visited.

A combination is a write that a run without faults makes (an object, and the stage of the switch) and a fault or a crash
of the operator, with nothing else written in between.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from tests.prove.faults import Fault
from tests.prove.store import Doc, World

if TYPE_CHECKING:
    from tests.prove.proof import Result

CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Coverage:
    """`writes` of runs without faults, the (write, fault) that were `met`, and those that cannot happen."""

    writes: frozenset[str] = frozenset()
    met: frozenset[tuple[str, str]] = frozenset()
    impossible: frozenset[tuple[str, str]] = frozenset()


@dataclass(slots=True)
class Recorder:
    """Moves by the numbers of states, with what was written last in them."""

    _names: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    _from: array[int] = field(default_factory=lambda: array("i"))
    _to: array[int] = field(default_factory=lambda: array("i"))
    _last: array[int] = field(default_factory=lambda: array("i"))
    _faults: set[tuple[int, str]] = field(default_factory=set)
    _clean: set[int] = field(default_factory=set)

    def note(self, start: int, end: int, writes: Iterable[str], *, is_clean: bool) -> None:
        """Note a move that is no fault; `is_clean`: nothing has gone wrong before it."""
        numbers = [self._number(name) for name in writes]
        self._from.append(start)
        self._to.append(end)
        self._last.append(numbers[-1] if numbers else -1)
        if is_clean:
            self._clean.update(numbers)

    def note_fault(self, start: int, fault: str) -> None:
        """Note that a fault happened in a state."""
        self._faults.add((start, fault))

    def read(self, size: int) -> Coverage:
        """Follow what was written last through all moves, until nothing is added."""
        last = [0] * size
        after: list[list[tuple[int, int]]] = [[] for _ in range(size)]
        for start, end, number in zip(self._from, self._to, self._last, strict=True):
            after[start].append((end, number))
        left = list(range(size))
        while left:
            start = left.pop()
            for end, number in after[start]:
                added = (last[start] if number < 0 else 1 << number) & ~last[end]
                if added:
                    last[end] |= added
                    left.append(end)
        met = {
            (self._names[number], fault)
            for start, fault in self._faults
            for number in range(len(self._names))
            if last[start] >> number & 1
        }
        return Coverage(writes=frozenset(self._names[number] for number in self._clean), met=frozenset(met))

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self._numbers))
        if number == len(self._names):
            self._names.append(name)
        return number


def name_stage(world: World) -> str:
    """The stage of the switch, as the state that was read says it."""
    found = world.secret("registry-state")
    return _read_stage(found) if found is not None else "at rest"


@cache
def _read_stage(state: Doc) -> str:
    try:
        found = json.loads(state.texts.get("state", "{}")).get("switch") or {}
    except ValueError:
        return "unreadable"
    return f"{found['step']}/{found['phase']}" if found else "at rest"


def count_pairs(results: Sequence[Result], faults: Sequence[Fault], tell: Callable[[str], None]) -> float:
    """The part of all possible (transition, write, fault) that was followed to an end; tells what is not in it and why.

    A pair is taken for impossible where the fault changed nothing in any moment right after that write.
    """
    met = every = 0
    for transition in dict.fromkeys(result.job.transition for result in results):
        # A second master has a proxy of its own, and so writes of its own, which only some faults follow.
        found = [result for result in results if result.job.transition == transition and result.job.masters is None]
        writes = set().union(*(result.writes for result in found))
        followed = set().union(*(result.met for result in found if result.is_complete or result.job.sweep))
        impossible = set().union(*(result.impossible for result in found)) - followed
        for fault in faults:
            pairs = {(write, fault.name) for write in writes}
            every += len(pairs - impossible)
            met += len(pairs & followed)
            _tell_rest(f"{transition}: {fault.name} cannot happen ({fault.absent})", pairs & impossible, tell)
            _tell_rest(f"{transition}: {fault.name} NOT VISITED", pairs - impossible - followed, tell)
    return met / every if every else 0.0


def _tell_rest(text: str, pairs: set[tuple[str, str]], tell: Callable[[str], None]) -> None:
    if pairs:
        tell(f"{text} after {', '.join(sorted(write for write, _ in pairs))}")
