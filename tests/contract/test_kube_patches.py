# SPDX-License-Identifier: Apache-2.0
"""What a hook writes to KUBERNETES_PATCH_PATH leaves the recorded objects, in memory and on a real API server.

Every recorded case is replayed, and its error compared to the last letter. One difference is on purpose: of a document
that breaks the schema the operator prints everything, the runner no contents of a patch or an object, which may be
secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from box.runner.errors import ApiError, PatchError
from box.runner.httpkube import HttpKube
from box.runner.kubeapi import MERGE_PATCH, KubeApi, Resource
from box.runner.kubeconfig import connect
from box.runner.kubeoperations import parse_kube_operations
from box.runner.kubepatch import apply_kube_operations
from tests.support.fake_kube import FakeKube

TRACES = Path(__file__).parent / "traces"
CASES = json.loads((TRACES / "kube-patch-cases.json").read_text(encoding="utf-8"))
CONTENTS = "jsonPatch:\n- op: remove\n  path: /data/q\n"
SERVER_OWNED = ("uid", "creationTimestamp", "managedFields", "resourceVersion")


class Stage(Protocol):
    """An API server that a case can be set up on."""

    @property
    def api(self) -> KubeApi: ...

    def seed(self, item: dict[str, Any]) -> dict[str, Any]: ...


class MemoryStage:
    def __init__(self) -> None:
        self.api = FakeKube()

    def seed(self, item: dict[str, Any]) -> dict[str, Any]:
        self.api = FakeKube([item])
        return item


class ServerStage:
    """The real server, emptied of what the cases use before and after."""

    def __init__(self, api: HttpKube) -> None:
        self.api = api
        namespace = api.resolve("v1", "Namespace")
        try:
            api.create(namespace, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d8-system"}})
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def seed(self, item: dict[str, Any]) -> dict[str, Any]:
        resource = self.api.resolve(item["apiVersion"], item["kind"])
        namespace, name = item["metadata"].get("namespace", ""), item["metadata"]["name"]
        wanted = _comparable(item)
        assert wanted is not None
        stored = self.api.create(resource, namespace, wanted)
        if "status" in wanted:
            stored = self.api.update(resource, namespace, name, {**stored, "status": wanted["status"]}, "status")
        return stored

    def clear(self) -> None:
        for kind, namespace, names in (
            ("ConfigMap", "d8-system", ("k1",)),
            ("Secret", "d8-system", ("k1",)),
            ("Node", "", ("m2",)),
        ):
            for name in names:
                self._remove(self.api.resolve("v1", kind), namespace, name)

    def _remove(self, resource: Resource, namespace: str, name: str) -> None:
        try:
            self.api.patch(resource, namespace, name, {"metadata": {"finalizers": None}}, MERGE_PATCH)
            self.api.delete(resource, namespace, name, "Background")
        except ApiError as error:
            if error.status != 404:
                raise


@pytest.fixture(params=["memory", pytest.param("server", marks=pytest.mark.box)])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "memory":
        yield MemoryStage()
        return
    server = ServerStage(connect(request.getfixturevalue("kubeconfig")))
    server.clear()
    yield server
    server.clear()


def _comparable(item: dict[str, Any] | None) -> dict[str, Any] | None:
    if item is None:
        return None
    metadata = {key: value for key, value in item["metadata"].items() if key not in SERVER_OWNED}
    return {**item, "metadata": metadata}


def _revision(item: dict[str, Any]) -> str:
    return str(item["metadata"]["resourceVersion"])


def _stored(api: KubeApi, case: dict[str, Any]) -> dict[str, Any] | None:
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


def _error(api: KubeApi, text: str) -> str | None:
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
def test_operations_leave_the_recorded_object(case: dict[str, Any], stage: Stage) -> None:
    before = stage.seed(case["object_before"]) if case["object_before"] else None
    error = _error(stage.api, case["kubernetes_patch_text"])
    recorded = case["error_first_run"]
    assert error == (recorded and recorded.replace(CONTENTS, "jsonPatch: ...\n"))
    if case["target"] is None:
        return
    after = _stored(stage.api, case)
    assert _comparable(after) == _comparable(case["object_after"])
    if before is not None and after is not None:
        recorded_change = _revision(case["object_before"]) != _revision(case["object_after"])
        assert (_revision(before) != _revision(after)) == recorded_change


def test_a_refused_document_is_named_without_its_contents() -> None:
    text = '{"operation":"Bogus","object":{"kind":"Secret","stringData":{"password":"hunter2"}}}'
    with pytest.raises(PatchError) as caught:
        parse_kube_operations(text)
    assert "hunter2" not in str(caught.value)


def test_a_jq_patch_that_changes_nothing_writes_nothing() -> None:
    metadata = {"name": "k1", "namespace": "d8-system", "resourceVersion": "7"}
    api = FakeKube([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}])
    target = '"apiVersion":"v1","kind":"configmap","namespace":"d8-system","name":"k1"'
    text = f'{{"operation":"JQPatch",{target},"jqFilter":".data.a=\\"1\\""}}'
    apply_kube_operations(api, parse_kube_operations(text))
    assert api.requests == ["get configmaps/k1"]
