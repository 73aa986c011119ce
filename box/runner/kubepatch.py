# SPDX-License-Identifier: Apache-2.0
"""KUBERNETES_PATCH_PATH: what a hook may ask of the cluster, and doing it.

A file with one malformed operation is refused as a whole. Otherwise every operation is tried in order; failures do not
stop the later ones, and make the run fail at the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jq
import yaml

from box.runner.errors import ApiError, PatchError, render_errors
from box.runner.kubeapi import JSON_PATCH, MERGE_PATCH, KubeApi, Object, Resource

_CREATES = ("Create", "CreateIfNotExists", "CreateOrUpdate")
_PATCHES = {"MergePatch": "mergePatch", "JSONPatch": "jsonPatch", "JQPatch": "jqFilter"}
_DELETES = {"DeleteInBackground": "Background", "Delete": "Foreground", "DeleteNonCascading": "Orphan"}
_KEYS = frozenset(
    {"operation", "namespace", "subresource", "apiVersion", "kind", "name", "object", "ignoreMissingObject"}
    | {"ignoreHookError", *_PATCHES.values()}
)
_CONFLICT_TRIES = 5
DELETE_POLL = 1.0
DELETE_LIMIT = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeOperation:
    """One operation. `body` is the object, the patch or the jq text."""

    operation: str
    api_version: str
    kind: str
    namespace: str
    name: str
    body: Any = None
    subresource: str = ""
    ignore_missing: bool = False

    @property
    def target(self) -> str:
        """Answer the object's name in messages: `v1/ConfigMap/d8-system/x`."""
        return f"{self.api_version}/{self.kind}/{self.namespace}/{self.name}"


def parse_kube_operations(text: str) -> tuple[KubeOperation, ...]:
    """Read a stream of JSON objects (or YAML documents). Raises PatchError; then nothing may be applied."""
    operations: list[KubeOperation] = []
    for document in _documents(text):
        problems = _problems(document)
        if problems:
            raise PatchError(render_errors([f"can't validate document:\n{_outline(document)}", *problems]))
        operations.append(_read(document))
    return tuple(operations)


def apply_kube_operations(api: KubeApi, operations: Sequence[KubeOperation]) -> None:
    """Try every operation in order. Raises PatchError that lists all failures."""
    failures: list[str] = []
    for operation in operations:
        verb = "Filter" if operation.operation in _PATCHES else operation.operation[:6]
        try:
            _apply(api, operation, api.resolve(operation.api_version, operation.kind))
        except ApiError as error:
            target = operation.target
            failures.append(f"{verb} object {target}: {f'{target}: ' if verb == 'Create' else ''}{error}")
    if failures:
        raise PatchError(render_errors(failures))


def _documents(text: str) -> list[Any]:
    decoder, position, found = json.JSONDecoder(), 0, []
    stripped = text.strip()
    try:
        while position < len(stripped):
            document, position = decoder.raw_decode(stripped, position)
            found.append(document)
            while position < len(stripped) and stripped[position].isspace():
                position += 1
    except json.JSONDecodeError:
        try:
            found = [document for document in yaml.safe_load_all(text) if document is not None]
        except yaml.YAMLError as error:
            raise PatchError("kubernetes patch is neither JSON nor YAML") from error
    return found


def _problems(document: Any) -> list[str]:
    if not isinstance(document, dict):
        return ["an operation must be an object"]
    operation = document.get("operation")
    problems = [f".{key} in body is a forbidden property" for key in sorted(set(document) - _KEYS)]
    if operation in _CREATES:
        if not isinstance(document.get("object"), dict) or not document["object"]:
            problems.append(".object in body is required")
    elif operation in _DELETES or operation in _PATCHES:
        problems += [f".{key} in body is required" for key in ("kind", "name") if not document.get(key)]
        if operation in _PATCHES:
            problems += _patch_problems(_PATCHES[operation], document.get(_PATCHES[operation]))
    else:
        problems.append("operation in body should be one of [JQPatch]")
    return problems


def _patch_problems(key: str, patch: Any) -> list[str]:
    if not patch:
        return [f".{key} in body is required"]
    if key == "jsonPatch" and isinstance(patch, list):
        first = patch[0] if isinstance(patch[0], dict) else {}
        return [f"jsonPatch.0.{word} in body is required" for word in ("op", "path", "value") if word not in first]
    right = isinstance(patch, str) or (key == "mergePatch" and isinstance(patch, dict))
    return [] if right else [f"{key} in body must be of another type"]


def _outline(document: Any) -> str:
    """Name the document without its contents: they may be secret."""
    if not isinstance(document, dict):
        return "(not an object)\n"
    return "".join(
        f"{key}: {document[key] if isinstance(document[key], str | bool) and key != 'jqFilter' else '...'}\n"
        for key in sorted(document)
    )


def _read(document: Mapping[str, Any]) -> KubeOperation:
    operation = document["operation"]
    if operation in _CREATES:
        body: Any = document["object"]
        metadata = body.get("metadata") or {}
        source = {**body, **metadata}
    else:
        source = dict(document)
        body = document.get(_PATCHES.get(operation, ""))
        if operation in ("MergePatch", "JSONPatch") and isinstance(body, str):
            try:
                body = yaml.safe_load(body)
            except yaml.YAMLError as error:
                raise PatchError(f"{operation}: the patch is neither JSON nor YAML") from error
    return KubeOperation(
        operation=operation,
        api_version=source.get("apiVersion", ""),
        kind=source.get("kind", ""),
        namespace=source.get("namespace", ""),
        name=source.get("name", ""),
        body=body,
        subresource=str(document.get("subresource", "")).removeprefix("/"),
        ignore_missing=bool(document.get("ignoreMissingObject", False)),
    )


def _apply(api: KubeApi, operation: KubeOperation, resource: Resource) -> None:
    if operation.operation in _CREATES:
        _create(api, operation, resource)
        return
    try:
        if operation.operation in _DELETES:
            _delete(api, operation, resource)
        elif operation.operation == "JQPatch":
            _replace(api, operation, resource)
        else:
            media_type = JSON_PATCH if operation.operation == "JSONPatch" else MERGE_PATCH
            api.patch(resource, operation.namespace, operation.name, operation.body, media_type, operation.subresource)
    except ApiError as error:
        if error.status == 404 and (operation.ignore_missing or operation.operation in _DELETES):
            return
        raise


def _create(api: KubeApi, operation: KubeOperation, resource: Resource) -> None:
    """Create; an existing object is an error, left alone or wholly replaced. A subresource is not honoured."""
    try:
        api.create(resource, operation.namespace, operation.body)
    except ApiError as error:
        if error.reason != "AlreadyExists" or operation.operation == "Create":
            raise
        if operation.operation == "CreateOrUpdate":
            _replace(api, operation, resource)


def _replace(api: KubeApi, operation: KubeOperation, resource: Resource) -> None:
    """Read and write back: the whole body of CreateOrUpdate, or the result of a jq filter. Retries conflicts."""
    for tries_left in reversed(range(_CONFLICT_TRIES)):
        current = api.get(resource, operation.namespace, operation.name)
        if operation.operation == "JQPatch":
            changed, subresource = _filter(current, operation.body), operation.subresource
            if changed == current:
                return
        else:
            changed, subresource = dict(operation.body), ""
            metadata = {**(changed.get("metadata") or {}), "resourceVersion": current["metadata"]["resourceVersion"]}
            changed["metadata"] = metadata
        try:
            api.update(resource, operation.namespace, operation.name, changed, subresource)
            return
        except ApiError as error:
            if error.reason != "Conflict" or not tries_left:
                raise


def _filter(current: Object, text: str) -> Object:
    try:
        result: Object = jq.compile(text).input_value(current).first()
    except ValueError as error:
        raise ApiError(400, "BadFilter", f"jqFilter: {error}") from error
    return result


def _delete(api: KubeApi, operation: KubeOperation, resource: Resource) -> None:
    """Delete; `Delete` also waits until the object is gone, polling each second for 20 s."""
    propagation = _DELETES[operation.operation]
    api.delete(resource, operation.namespace, operation.name, propagation)
    if propagation != "Foreground":
        return
    limit = time.monotonic() + DELETE_LIMIT
    while time.monotonic() < limit:
        api.get(resource, operation.namespace, operation.name)
        time.sleep(DELETE_POLL)
    raise ApiError(504, "Timeout", f"object is still there after {DELETE_LIMIT:.0f} s (is the garbage collector up?)")
