# SPDX-License-Identifier: Apache-2.0
"""Guarded writes: late runs do nothing, equal content writes nothing."""

import json
from typing import Any

import jq
from d8registry.kube.operations import apply_secret, merge_secret

REVISION = "registry.deckhouse.io/revision"


def seen(revision: int, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": "s", "annotations": {REVISION: str(revision)}}, "data": data}


def patched(operation: dict[str, Any], target: dict[str, Any]) -> Any:
    return json.loads(jq.compile(operation["jqFilter"]).input_value(target).text())


def test_an_absent_secret_is_created_once() -> None:
    (operation,) = apply_secret("s", {"k": "v"}, None, 3)
    assert operation["operation"] == "CreateIfNotExists"
    assert operation["object"]["data"] == {"k": "dg=="}
    assert operation["object"]["metadata"]["annotations"] == {REVISION: "3"}


def test_equal_content_is_not_written() -> None:
    assert apply_secret("s", {"k": "v"}, seen(2, k="dg=="), 3) == ()


def test_other_content_replaces_data_and_keeps_what_others_added() -> None:
    target = seen(2, old="eA==")
    target["metadata"]["annotations"]["theirs"] = "x"
    (operation,) = apply_secret("s", {"k": "v"}, target, 3)
    found = patched(operation, target)
    assert found["data"] == {"k": "dg=="}
    assert found["metadata"]["annotations"] == {REVISION: "3", "theirs": "x"}


def test_an_object_of_a_newer_revision_stays_as_it_is() -> None:
    (operation,) = apply_secret("s", {"k": "v"}, seen(2, k="eA=="), 3)
    newer = seen(4, k="eg==")
    assert patched(operation, newer) == newer


def test_the_state_is_only_written_over_the_revision_that_was_read() -> None:
    (operation,) = apply_secret("s", {"k": "v"}, seen(2, k="eA=="), 3, expected=2)
    assert patched(operation, seen(2, k="eA=="))["data"] == {"k": "dg=="}
    for other in (1, 3, 4):
        assert patched(operation, seen(other, k="eA==")) == seen(other, k="eA==")


def test_a_platform_secret_keeps_its_other_keys() -> None:
    (operation,) = merge_secret("s", {"k": "v"}, seen(0, other="eA=="), 3)
    assert patched(operation, seen(0, other="eA=="))["data"] == {"k": "dg==", "other": "eA=="}
    assert merge_secret("s", {"k": "v"}, seen(0, other="eA==", k="dg=="), 3) == ()
