# SPDX-License-Identifier: Apache-2.0
"""What one kubernetes binding knows of the cluster: filtered objects, and which change is an event.

Pure: whoever lists and watches feeds it. A change that leaves the filter result as it was is no event, an object that
leaves the selector is `Deleted` and keeps its last known form in the event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jq

from box.runner import gojson
from box.runner.config import KubernetesBinding


class FilterError(Exception):
    """The jqFilter failed on an object; the event is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteredObject:
    """One object as contexts show it: `shown` has `object`, `filterResult` or both."""

    namespace: str
    name: str
    shown: Mapping[str, Any]
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """A change that runs the hook. `kind` is `Added`, `Modified` or `Deleted`."""

    kind: str
    shown: Mapping[str, Any]


ObjectFilter = Callable[[Mapping[str, Any]], FilteredObject]
"""Turns an object of the API into what the binding keeps of it. Raises FilterError."""


class BindingSnapshot:
    """The objects of one binding, by namespace and name."""

    def __init__(self, binding: KubernetesBinding, compiled: ObjectFilter | None = None) -> None:
        self._binding = binding
        self._filter = compiled or build_filter(binding)
        self._objects: dict[tuple[str, str], FilteredObject] = {}

    def apply(self, kind: str, raw: Mapping[str, Any]) -> WatchEvent | None:
        """Take one change (`Added`, `Modified`, `Deleted`) and answer the event to fire, if any.

        Raises FilterError: the change is then not recorded.
        """
        found = self._filter(raw)
        key = (found.namespace, found.name)
        if kind == "Deleted":
            self._objects.pop(key, None)
        else:
            before = self._objects.get(key)
            self._objects[key] = found
            if before is not None and before.checksum == found.checksum:
                return None
        return WatchEvent(kind=kind, shown=found.shown) if kind in self._binding.events else None

    def keys(self) -> frozenset[tuple[str, str]]:
        """Answer the (namespace, name) of every object held."""
        return frozenset(self._objects)

    def forget(self, key: tuple[str, str]) -> WatchEvent | None:
        """Drop an object that a new list does not hold any more and answer its event."""
        last = self._objects.pop(key, None)
        if last is None or "Deleted" not in self._binding.events:
            return None
        return WatchEvent(kind="Deleted", shown=last.shown)

    def items(self) -> list[Mapping[str, Any]]:
        """Answer what contexts show, sorted by namespace and name."""
        return [self._objects[key].shown for key in sorted(self._objects)]

    def objects(self) -> list[FilteredObject]:
        """Answer the objects, in no order."""
        return list(self._objects.values())

    def fill(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Take the first list without events. Raises FilterError."""
        for raw in objects:
            found = self._filter(raw)
            self._objects[found.namespace, found.name] = found


def build_filter(binding: KubernetesBinding) -> ObjectFilter:
    """Compile the binding's jqFilter once and answer the function that applies it."""
    program = jq.compile(binding.jq_filter) if binding.jq_filter else None

    def run(raw: Mapping[str, Any]) -> FilteredObject:
        shown: dict[str, Any] = {}
        checked: Any = raw
        if program is not None:
            try:
                results = program.input_value(raw).all()
            except ValueError as error:
                raise FilterError(f"jqFilter: {error}") from error
            checked = results[0] if len(results) == 1 else (results or None)
            shown["filterResult"] = checked
        if program is None or binding.keep_full_objects:
            shown["object"] = raw
        metadata = raw["metadata"]
        return FilteredObject(
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            shown=shown,
            checksum=hashlib.sha256(gojson.dumps(checked).encode()).hexdigest(),
        )

    return run
