# SPDX-License-Identifier: Apache-2.0
"""Remember what functions of a world answered, by the documents that they looked at.

A function is given a view that notes each look. Where the same documents are found again the answer is the same,
whatever else has changed, and what it changed is put to the world of now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from tests.prove.store import Doc, Key, World

Answer = TypeVar("Answer")
_NOW = ("now", "", "")
_KIND = "kind"


class View(World):
    """A world that notes what is looked at, and holds back what is changed."""

    __slots__ = ("changes", "looks", "of")

    def __init__(self, of: World, looks: dict[Key, object], changes: Mapping[Key, Doc | None], now: int) -> None:
        super().__init__(of.docs, now, 0, {})
        self.of = of
        self.looks = looks
        self.changes = changes

    def clock(self) -> int:
        self.looks[_NOW] = self.of.now
        return self.now

    def look(self, key: Key) -> Doc | None:
        if key in self.changes:
            return self.changes[key]
        found = self.of.docs.get(key)
        self.looks[key] = found
        return found

    def kind(self, kind: str) -> tuple[Doc, ...]:
        found = self.of.kind(kind)
        self.looks[(_KIND, kind, "")] = found
        changed = {doc.key: doc for doc in found}
        for key, doc in self.changes.items():
            if key[0] == kind and doc is not None:
                changed[key] = doc
            elif key[0] == kind:
                changed.pop(key, None)
        return tuple(changed[key] for key in sorted(changed))

    def with_changes(self, changes: Mapping[Key, Doc | None], now: int) -> World:
        if all(self.look(key) is doc for key, doc in changes.items()) and now == self.now:
            return self
        return View(self.of, self.looks, {**self.changes, **changes}, now)


class Remembered(Generic[Answer]):
    """A function of a world that is called once for the same documents."""

    def __init__(self, function: Callable[[World], Answer]) -> None:
        self._function = function
        self._known: dict[tuple[Key, ...], dict[tuple[object, ...], Answer]] = {}

    def __call__(self, world: World) -> Answer:
        for keys, answers in self._known.items():
            found = answers.get(tuple([_read(world, key) for key in keys]))
            if found is not None:
                return found
        looks: dict[Key, object] = {}
        answer = self._function(View(world, looks, {}, world.now))
        self._known.setdefault(tuple(looks), {})[tuple(looks.values())] = answer
        return answer


def _read(world: World, key: Key) -> object:
    if key[0] == _KIND:
        return world.kind(key[1])
    return world.now if key is _NOW else world.docs.get(key)


class Act:
    """Something that happens in a world: `changes` are remembered, and None says that it cannot happen."""

    def __init__(self, act: Callable[[World], World | None]) -> None:
        self._remembered = Remembered(lambda world: _note(act(world)))

    def __call__(self, world: World) -> tuple[World, tuple[Key, ...]] | None:
        """The world after it, and the keys of what changed; None where nothing happens."""
        changes, seconds = self._remembered(world)
        if not changes and not seconds:
            return None
        return world.with_changes(changes, world.now + seconds), tuple(changes)


def _note(after: World | None) -> tuple[Mapping[Key, Doc | None], int]:
    if after is None:
        return {}, 0
    assert isinstance(after, View), "an act returns what it was given, changed"
    changes = {key: doc for key, doc in after.changes.items() if after.of.docs.get(key) is not doc}
    return changes, after.now - after.of.now
