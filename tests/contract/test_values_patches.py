# SPDX-License-Identifier: Apache-2.0
"""What a hook writes to VALUES_JSON_PATCH_PATH has the recorded outcome, case after case on one store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from box.runner.errors import ValuesError
from box.runner.openapi import load_schemas
from box.runner.process import describe_bad_patch
from box.runner.values import UserConfig, ValuesStore
from box.runner.values_patch import parse_values_patch

TRACES = Path(__file__).parent / "traces"
CASES = json.loads((TRACES / "values-patch-cases.json").read_text(encoding="utf-8"))
HOOK = "hooks/061-valuesq.py"


def _store() -> ValuesStore:
    store = ValuesStore("registry", load_schemas(TRACES / "openapi"))
    store.set_config(UserConfig(globals=CASES[0]["values_before"]["global"]))
    return store


def _outcome(store: ValuesStore, text: str) -> str | None:
    try:
        operations = parse_values_patch(text)
    except ValuesError as error:
        return describe_bad_patch(HOOK, error)
    try:
        store.apply_patch(HOOK, operations)
    except ValuesError as error:
        return str(error)
    return None


@pytest.mark.parametrize("index", range(len(CASES)), ids=[case["title"] for case in CASES])
def test_a_values_patch_has_the_recorded_outcome(index: int) -> None:
    store = _store()
    for earlier in CASES[:index]:
        _outcome(store, earlier["values_json_patch_text"])
    case = CASES[index]
    assert store.values() == case["values_before"]
    before = store.checksum()
    assert _outcome(store, case["values_json_patch_text"]) == case["error"]
    assert store.values() == case["values_after"]
    assert (store.checksum() != before) == case["module_run_queued"]


def test_appending_twice_loses_the_first_element_as_in_the_operator() -> None:
    store = _store()
    for text in (
        '{"op":"add","path":"/registry/internal/nodes","value":[]}',
        '{"op":"add","path":"/registry/internal/nodes/-","value":{"name":"a"}}',
        '{"op":"add","path":"/registry/internal/nodes/-","value":{"name":"b"}}',
    ):
        assert _outcome(store, text) is None
    assert store.values()["registry"]["internal"]["nodes"] == [{"name": "b"}]


def test_setting_a_parent_again_drops_its_children() -> None:
    store = _store()
    for text in (
        '{"op":"add","path":"/registry/internal/hosts","value":{}}',
        '{"op":"add","path":"/registry/internal/hosts/a","value":1}',
        '{"op":"add","path":"/registry/internal/hosts","value":{"b":2}}',
    ):
        assert _outcome(store, text) is None
    assert store.values()["registry"]["internal"]["hosts"] == {"b": 2}


def test_a_patch_of_settings_fails_while_the_user_has_configured_nothing() -> None:
    store = _store()
    operations = parse_values_patch('{"op":"add","path":"/registry/logLevel","value":"debug"}')
    with pytest.raises(ValuesError, match="doc is missing path"):
        store.patched_settings(HOOK, operations)
    store.set_config(UserConfig(settings={"mode": "Direct"}))
    assert store.patched_settings(HOOK, operations) == {"mode": "Direct", "logLevel": "debug"}
