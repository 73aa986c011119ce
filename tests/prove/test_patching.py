# SPDX-License-Identifier: Apache-2.0
"""What the search does natively is what jq does, for every write of a whole switch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jq
import pytest

from tests.prove.canonical import build_key
from tests.prove.moves import list_moves, pass_time
from tests.prove.operator import run_hook
from tests.prove.patching import UnknownOperation, annotate, patch
from tests.prove.platform import build_pod
from tests.prove.start import ask
from tests.prove.store import Doc, World, build_secret
from tests.prove.transitions import TRANSITIONS


@pytest.fixture(scope="module")
def writes() -> list[tuple[Doc, str]]:
    """Every guarded patch of a switch, with the object that it met."""
    start, found = ask(TRANSITIONS[0]), []
    for world in _walk(start):
        for operation in run_hook(world).operations:
            doc = _find(world, operation)
            if operation["operation"] == "JQPatch" and doc is not None:
                found.append((doc, operation["jqFilter"]))
    return found


def test_a_guarded_patch_gives_what_jq_gives(writes: list[tuple[Doc, str]]) -> None:
    assert len({doc.key for doc, _ in writes}) >= 5
    for doc, program in writes:
        assert patch(doc, program).body == jq.compile(program).input_value(doc.body).first()


def test_a_late_patch_leaves_a_newer_object_alone(writes: list[tuple[Doc, str]]) -> None:
    for doc, program in writes:
        body = json.loads(json.dumps(doc.body))
        body["metadata"].setdefault("annotations", {})["registry.deckhouse.io/revision"] = "1000"
        newer = Doc(doc.key, body, json.dumps(body), -1)
        assert patch(newer, program).body == body == jq.compile(program).input_value(body).first()


def test_an_unknown_program_is_refused_and_not_guessed() -> None:
    with pytest.raises(UnknownOperation):
        patch(build_secret("registry-state", {}), ".data = {}")


def _walk(world: World) -> Iterator[World]:
    for _ in range(400):
        yield world
        key = build_key(world)
        moves = [move for move in list_moves(world, (), with_crash=False) if build_key(move.after) != key]
        after = moves[0].after if moves else pass_time(world).after
        if build_key(after) == key:
            return
        world = after
    raise AssertionError("the switch does not end")


def _find(world: World, operation: Mapping[str, Any]) -> Doc | None:
    return world.look((operation.get("kind", ""), operation.get("namespace", ""), operation.get("name", "")))


def test_a_pods_annotations_are_merged_and_nothing_else_is_understood() -> None:
    pod = build_pod("proxy", "d8-system", "image", app="proxy", checksum="a")
    marked = annotate(pod, {"metadata": {"annotations": {"mark": "1"}}})
    assert marked.body["metadata"]["annotations"] == {"checksum/registry-version": "a", "mark": "1"}
    assert {**marked.body, "metadata": {}} == {**pod.body, "metadata": {}}
    with pytest.raises(UnknownOperation):
        annotate(pod, {"metadata": {"annotations": {"mark": None}}})
