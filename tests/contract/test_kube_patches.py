# SPDX-License-Identifier: Apache-2.0
"""What a hook writes to KUBERNETES_PATCH_PATH leaves the recorded objects, on an API server in memory.

Every recorded case is replayed. One difference is on purpose: for a document that breaks the schema the operator
prints the whole document and what its validator tried; the runner prints neither contents (they may be secret) nor the
attempts, so for those three cases only the refusal and its first line are compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from box.runner.errors import ApiError, PatchError
from box.runner.kubepatch import apply_kube_operations, parse_kube_operations
from tests.support.fake_kube import FakeKube

TRACES = Path(__file__).parent / "traces"
CASES = json.loads((TRACES / "kube-patch-cases.json").read_text(encoding="utf-8"))
SCHEMA_FAILURES = (
    "JSONPatch leading remove without value",
    "one invalid op: nothing applied",
    "object is null / malformed",
)
SERVER_OWNED = ("uid", "creationTimestamp", "managedFields", "resourceVersion")


def _comparable(item: dict[str, Any] | None) -> dict[str, Any] | None:
    if item is None:
        return None
    metadata = {key: value for key, value in item["metadata"].items() if key not in SERVER_OWNED}
    return {**item, "metadata": metadata}


def _revision(item: dict[str, Any]) -> str:
    return str(item["metadata"]["resourceVersion"])


def _stored(api: FakeKube, case: dict[str, Any]) -> dict[str, Any] | None:
    parts = case["target"].split("/")
    namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts else ""
    kind = {"configmaps": "ConfigMap", "secrets": "Secret", "nodes": "Node"}[parts[-2]]
    resource = api.resolve("v1", kind)
    try:
        return api.get(resource, namespace, parts[-1])
    except ApiError as error:
        if error.status != 404:
            raise
        return None


def _error(api: FakeKube, text: str) -> str | None:
    try:
        operations = parse_kube_operations(text)
    except PatchError as error:
        return f"module hook 'hooks/070-patch.py' failed: {error}"
    try:
        apply_kube_operations(api, operations)
    except PatchError as error:
        return str(error)
    return None


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_operations_leave_the_recorded_object(case: dict[str, Any]) -> None:
    before = case["object_before"]
    api = FakeKube([before] if before else [])
    error = _error(api, case["kubernetes_patch_text"])
    if case["title"] in SCHEMA_FAILURES:
        assert error is not None
        assert "errors occurred:\n\t* can't validate document:\n" in error
        assert error.startswith("module hook 'hooks/070-patch.py' failed: ")
    else:
        assert error == case["error_first_run"]
    if case["target"] is None:
        return
    after = _stored(api, case)
    assert _comparable(after) == _comparable(case["object_after"])
    if before is not None and after is not None:
        recorded_change = _revision(before) != _revision(case["object_after"])
        assert (_revision(before) != _revision(after)) == recorded_change


def test_a_refused_document_is_named_without_its_contents() -> None:
    text = '{"operation":"Bogus","object":{"kind":"Secret","stringData":{"password":"hunter2"}}}'
    with pytest.raises(PatchError) as caught:
        parse_kube_operations(text)
    assert "hunter2" not in str(caught.value)
