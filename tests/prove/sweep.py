# SPDX-License-Identifier: Apache-2.0
"""Every fault right after every write of a transition, each followed to the end of its run.

A search of all orders of all that may follow a fault is beyond any machine for larger clusters. So here breadth comes
first: the search of the faultless runs tells where each write is made first and last; there the run is cut after that
write, the fault happens, and the world is followed to where nothing moves any more, in a few orders of events. What
two runs have in common is gone through once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.prove.canonical import build_key
from tests.prove.clock import Clock
from tests.prove.coverage import Coverage
from tests.prove.ends import find_wrong_end, is_put_back_to_a_dead_registry
from tests.prove.faults import Fault
from tests.prove.invariants import find_violations, find_wrong_moves
from tests.prove.moves import LATE, Move, cut_run, happen, list_moves, pass_time
from tests.prove.registries import Answer
from tests.prove.search import Search, Violation
from tests.prove.store import World
from tests.prove.transitions import Transition

_MANY = 5000
REFUSALS = (f": {Answer.UNAUTHENTICATED})", f": {Answer.REFUSED})")
"""How a sentence of invariant 1 ends where no source takes the credentials that a pull carries: by the platform's text,
which has no `server`, containerd asks the fixed address itself last, where nobody listens on a node."""

_TIRED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which of the moves that are possible comes next."""

    name: str
    choose: Callable[[Iterator[Move], bytes], list[Move]]


def _shuffle(moves: Iterator[Move], key: bytes) -> list[Move]:
    return sorted(moves, key=lambda move: hashlib.blake2b(key + move.label.encode(), digest_size=8).digest())


def _slow_down(moves: Iterator[Move], key: bytes) -> list[Move]:
    """The operator comes last. What is late waits until nothing else is left, for which the operator is quick."""
    found = list(moves)
    return found if any(move.kind == LATE for move in found) else found[::-1]


ORDERS = (
    Order(name="the operator is quick", choose=lambda moves, key: list(moves)),
    Order(name="the operator is slow", choose=_slow_down),
    Order(name="by chance", choose=_shuffle),
    Order(name="by other chance", choose=lambda moves, key: _shuffle(moves, b"other" + key)),
)


@dataclass(slots=True)
class Sweep:
    """What was seen; `met` holds (write, fault) that were followed to an end, `impossible` those that cannot happen."""

    transition: Transition
    faults: tuple[Fault, ...]
    stop_at: int = 10
    clock: Clock = field(default_factory=Clock)
    orders: tuple[Order, ...] = ORDERS
    writes: frozenset[str] = frozenset()
    keys: set[bytes] = field(default_factory=set)
    violations: list[Violation] = field(default_factory=list)
    moves: int = 0
    met: set[tuple[str, str]] = field(default_factory=set)
    impossible: set[tuple[str, str]] = field(default_factory=set)
    is_complete: bool = False
    _gone: set[tuple[str, bytes]] = field(default_factory=set)

    def run(self) -> Sweep:
        """Search all runs without faults, then sweep what was seen."""
        search = Search(self.transition, (), with_crash=False, clock=self.clock).run()
        self.keys, self.moves, self.violations = set(search.keys), search.moves, list(search.violations)
        self.writes = search.cover().writes
        if not search.is_complete:
            return self
        for fault in self.faults:
            for write in sorted(self.writes):
                if self.clock.is_over or len(self.violations) >= self.stop_at:
                    return self
                self._try(search, write, fault)
                self.clock.tell(self._tell)
        self.is_complete = True
        return self

    def _tell(self) -> str:
        pairs = len(self.met) + len(self.impossible)
        return (
            f"{self.transition.name}: {pairs} of {len(self.writes) * len(self.faults)} pairs, {len(self.keys)} states"
        )

    def cover(self) -> Coverage:
        """What was visited of all combinations of writes and faults."""
        return Coverage(writes=self.writes, met=frozenset(self.met), impossible=frozenset(self.impossible))

    def _try(self, search: Search, write: str, fault: Fault) -> None:
        could = False
        for index, before in search.moments[write]:
            for name, world in cut_run(before):
                if not write.endswith(f": {name}"):
                    continue
                move = happen(world, fault)
                if move is not None:
                    could = True
                    trace = (*search.trace(index), f"reconcile has written as far as {name}", move.label)
                    self._look(self._judge(move.after, fault), trace)
                    for order in self.orders:
                        self._follow(move.after, order, trace, fault)
        (self.met if could else self.impossible).add((write, fault.name))

    def _follow(self, world: World, order: Order, trace: tuple[str, ...], fault: Fault) -> None:
        """Go on to an end, or to where somebody went on from before in this order."""
        visits: dict[bytes, int] = {}
        labels = list(trace)
        for _ in range(_MANY):
            key = build_key(world)
            count = visits[key] = visits.get(key, 0) + 1
            if count == 1 and (order.name, key) in self._gone:
                return
            self._gone.add((order.name, key))
            moves = [
                move for move in order.choose(list_moves(world, (), with_crash=False), key) if self._is_new(move, key)
            ]
            if all(move.kind == LATE for move in moves):
                move = pass_time(world)
                if build_key(move.after) != key:
                    moves = [move]
                elif not moves:
                    is_judged = not is_put_back_to_a_dead_registry(world, self.transition)
                    found = find_violations(world) if is_judged else self._judge(world, fault)
                    self._look((*find_wrong_end(world, self.transition), *found), labels)
                    return
            if count > _TIRED:
                break
            # Where a circle is gone another way is taken each time: no event is kept from happening for ever.
            world = self._take(world, moves[(count - 1) % len(moves)], labels, fault)
        self._look([f"it does not come to rest when {order.name}"], labels)

    def _is_new(self, move: Move, key: bytes) -> bool:
        return build_key(move.after) != key

    def _take(self, world: World, move: Move, labels: list[str], fault: Fault) -> World:
        self.moves += 1
        labels.append(move.label)
        self._look(find_wrong_moves(world, move), labels)
        key = build_key(move.after)
        if key not in self.keys or fault.breaks:
            self.keys.add(key)
            self._look(self._judge(move.after, fault), labels)
        return move.after

    def _judge(self, world: World, fault: Fault) -> Iterator[str]:
        """Look at one world, without what a fault that `breaks` or a dead registry may have broken by itself."""
        is_broken = fault.breaks or bool(self.transition.dead)
        return (text for text in find_violations(world) if not (is_broken and text.endswith(REFUSALS)))

    def _look(self, texts: Iterable[str], labels: Sequence[str]) -> None:
        for text in texts:
            # One for each fault and sentence: the first of them is the shortest way as far as orders go.
            fault = _find_fault(labels)
            if all((item.text, _find_fault(item.trace)) != (text, fault) for item in self.violations):
                self.violations.append(Violation(self.transition.name, text, tuple(labels)))


def _find_fault(labels: Sequence[str]) -> str:
    return next((label for label in labels if label.startswith("FAULT ")), "")
