# SPDX-License-Identifier: Apache-2.0
"""The world as a persistent map of immutable documents: a change copies the map and shares everything else.

Everything that the world remembers is a document: objects of the API, and what lies beside it (a node's disk, the
operator's memory, the health of registries). The latter have kinds that begin with `~` and no hook sees them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.prove.canonical import Skeleton, skeletonise

JSON = Any
Key = tuple[str, str, str]


class Doc:
    """One immutable document. Equal content is one object, so identity is equality and results can be kept by it."""

    __slots__ = ("_skeleton", "_text", "_texts", "body", "key", "uid", "views")

    def __init__(self, key: Key, body: JSON, text: str, uid: int) -> None:
        self.key = key
        self.body = body
        self.uid = uid
        self.views: dict[str, tuple[JSON, ...]] = {}
        self._text = text
        self._skeleton: Skeleton | None = None
        self._texts: dict[str, str] | None = None

    @property
    def skeleton(self) -> Skeleton:
        """What tells this document from others once times, revisions and tokens are taken out."""
        if self._skeleton is None:
            self._skeleton = skeletonise(self.key, self.body, self._text)
        return self._skeleton

    @property
    def texts(self) -> dict[str, str]:
        """A Secret's data, decoded."""
        if self._texts is None:
            data = self.body.get("data") or {}
            self._texts = {key: base64.b64decode(value).decode() for key, value in data.items()}
        return self._texts


_DOCS: dict[tuple[Key, str], Doc] = {}


def intern(body: Mapping[str, JSON]) -> Doc:
    """Return the one document with this content; `body` is not to be changed any more."""
    metadata = body["metadata"]
    key = (body["kind"], metadata.get("namespace", ""), metadata["name"])
    text = json.dumps(body, sort_keys=True)
    found = _DOCS.get((key, text))
    if found is None:
        found = _DOCS[(key, text)] = Doc(key, json.loads(text), text, len(_DOCS))
    return found


class World:
    """Documents by key, and the time in seconds. Never changed: `put`, `drop` and `at` return another one.

    `total` sums up the skeletons of all documents and `holed` are those that have holes, so that the name of a state is
    built from what changed.
    """

    __slots__ = ("_kinds", "docs", "holed", "now", "total")

    def __init__(self, docs: dict[Key, Doc], now: int, total: int, holed: dict[Key, Doc]) -> None:
        self.docs = docs
        self.now = now
        self.total = total
        self.holed = holed
        self._kinds: dict[str, tuple[Doc, ...]] = {}

    def with_changes(self, changes: Mapping[Key, Doc | None], now: int) -> World:
        """The world with documents replaced, added, or (None) removed."""
        docs, total, holed = self.docs, self.total, self.holed
        for key, doc in changes.items():
            before = docs.get(key)
            if before is doc:
                continue
            if docs is self.docs:
                docs, holed = dict(docs), dict(holed)
            if before is not None:
                total -= before.skeleton.weight
                holed.pop(key, None)
            if doc is None:
                docs.pop(key, None)
                continue
            docs[key] = doc
            total += doc.skeleton.weight
            if doc.skeleton.has_holes:
                holed[key] = doc
        if docs is self.docs and now == self.now:
            return self
        return World(docs, now, total, holed)

    def clock(self) -> int:
        """The time, for what depends on it."""
        return self.now

    def look(self, key: Key) -> Doc | None:
        """One document, if it is there."""
        return self.docs.get(key)

    def put(self, *docs: Doc) -> World:
        """Replace or add documents; the same world where that changes nothing."""
        return self.with_changes({doc.key: doc for doc in docs}, self.now)

    def drop(self, *keys: Key) -> World:
        """Remove documents; the same world where none is there."""
        return self.with_changes(dict.fromkeys(keys), self.now)

    def at(self, now: int) -> World:
        """The same documents at another time."""
        return self.with_changes({}, now)

    def get(self, kind: str, name: str, namespace: str = "") -> Doc | None:
        """One document, if it is there."""
        return self.look((kind, namespace, name))

    def need(self, kind: str, name: str, namespace: str = "") -> Doc:
        """One document that must be there."""
        found = self.look((kind, namespace, name))
        assert found is not None, f"the world has no {kind} {namespace}/{name}"
        return found

    def secret(self, name: str, namespace: str = "d8-system") -> Doc | None:
        """One Secret, if it is there."""
        return self.look(("Secret", namespace, name))

    def text(self, name: str, key: str, namespace: str = "d8-system") -> str:
        """One decoded key of a Secret; empty where it is absent."""
        found = self.look(("Secret", namespace, name))
        return found.texts.get(key, "") if found else ""

    def kind(self, kind: str) -> tuple[Doc, ...]:
        """All documents of a kind, by key."""
        found = self._kinds.get(kind)
        if found is None:
            docs = (doc for key, doc in self.docs.items() if key[0] == kind)
            found = self._kinds[kind] = tuple(sorted(docs, key=lambda doc: doc.key))
        return found


def build_world(docs: Iterable[Doc]) -> World:
    """A world of these documents at its beginning."""
    return World({}, 0, 0, {}).put(*docs)


def hidden(kind: str, name: str, **fields: JSON) -> Doc:
    """A document that no hook sees."""
    return intern({"kind": f"~{kind}", "metadata": {"name": name}, **fields})


def build_secret(name: str, data: Mapping[str, str], namespace: str = "d8-system") -> Doc:
    """A Secret as another client writes it; `data` is text."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return intern({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded})


def change(doc: Doc, **fields: JSON) -> Doc:
    """The document with other fields at its top."""
    return intern({**doc.body, **fields})
