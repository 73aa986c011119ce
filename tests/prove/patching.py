# SPDX-License-Identifier: Apache-2.0
"""Kube operations on the world: the few that the hooks use.

A guarded jq patch (docs/internal/adr/0002) has one form, which is carried out here without jq: a program is compiled
once for each text, and each text is another. `test_patching.py` shows that jq does the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.prove.store import Doc, World, intern

JSON = Any
_GUARD = re.compile(
    r'if \(\(\.metadata\.annotations\["registry\.deckhouse\.io/revision"\] // "0"\) \| tonumber\) '
    r"(>|!=) (\d+) then \. else "
)
_CHANGE = re.compile(r"\.(data|metadata\.annotations|metadata\.labels) (\+?=) ")
_REMOVAL = re.compile(r'del\(\.metadata\.annotations\["([^"]+)"\]\)')
REVISION = "registry.deckhouse.io/revision"


class UnknownOperation(Exception):
    """The hooks began to use something that the world cannot do yet."""


def apply_operation(world: World, operation: Mapping[str, JSON]) -> World:
    """Carry one operation out."""
    kind = operation["operation"]
    if kind == "CreateIfNotExists":
        doc = intern(operation["object"])
        return world if world.look(doc.key) is not None else world.put(doc)
    if kind == "DeleteInBackground":
        return world.drop((operation["kind"], operation["namespace"], operation["name"]))
    if kind == "JQPatch" and operation["ignoreMissingObject"]:
        found = world.look((operation["kind"], operation["namespace"], operation["name"]))
        return world.put(patch(found, operation["jqFilter"])) if found else world
    if kind == "MergePatch" and operation["kind"] == "Pod" and operation["ignoreMissingObject"]:
        found = world.look((operation["kind"], operation["namespace"], operation["name"]))
        return world.put(annotate(found, operation["mergePatch"])) if found else world
    raise UnknownOperation(f"{kind} of {operation.get('kind')} {operation.get('name')}")


def annotate(doc: Doc, wanted: Mapping[str, JSON]) -> Doc:
    """Merge annotations into one object: of merge patches the hooks use no other."""
    notes = wanted.get("metadata", {}).get("annotations", {})
    if wanted != {"metadata": {"annotations": notes}} or not all(isinstance(value, str) for value in notes.values()):
        raise UnknownOperation(f"merge patch {json.dumps(wanted)[:120]}")
    metadata = doc.body["metadata"]
    merged = {**(metadata.get("annotations") or {}), **notes}
    return intern({**doc.body, "metadata": {**metadata, "annotations": merged}})


@cache
def patch(doc: Doc, program: str) -> Doc:
    """Apply a guarded patch to one object."""
    guard = _GUARD.match(program)
    if guard is None or not program.endswith(" end"):
        raise UnknownOperation(f"jq program {program[:120]}")
    body = json.loads(json.dumps(doc.body))
    metadata = body["metadata"]
    revision, wanted = int((metadata.get("annotations") or {}).get(REVISION, "0")), int(guard[2])
    if revision > wanted if guard[1] == ">" else revision != wanted:
        return doc
    rest, decoder = program[guard.end() : -len(" end")], json.JSONDecoder()
    while rest:
        removal = _REMOVAL.match(rest)
        if removal is not None:
            (metadata.get("annotations") or {}).pop(removal[1], None)
            rest = rest[removal.end() :].removeprefix(" | ")
            continue
        assignment = _CHANGE.match(rest)
        if assignment is None:
            raise UnknownOperation(f"jq program {rest[:120]}")
        value, end = decoder.raw_decode(rest, assignment.end())
        parent, _, name = assignment[1].rpartition(".")
        target = metadata if parent else body
        target[name] = {**(target.get(name) or {}), **value} if assignment[2] == "+=" else value
        rest = rest[end:].removeprefix(" | ")
    return intern(body)
