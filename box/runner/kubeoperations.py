# SPDX-License-Identifier: Apache-2.0
"""KUBERNETES_PATCH_PATH: reading what a hook asks of the cluster.

A file with one malformed operation is refused as a whole, and a refusal names the document without its contents.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from box.runner.errors import PatchError, render_errors

CREATES = ("Create", "CreateIfNotExists", "CreateOrUpdate")
PATCHES = {"MergePatch": "mergePatch", "JSONPatch": "jsonPatch", "JQPatch": "jqFilter"}
DELETES = {"DeleteInBackground": "Background", "Delete": "Foreground", "DeleteNonCascading": "Orphan"}
_KEYS = frozenset(
    {"operation", "namespace", "subresource", "apiVersion", "kind", "name", "object", "ignoreMissingObject"}
    | {"ignoreHookError", *PATCHES.values()}
)
_NONE_VALID = "must validate one and only one schema (oneOf). Found none valid"


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
    """Answer what the operator's validator says: of the schemas it tries it words the one that fits best."""
    if not isinstance(document, dict):
        return ["an operation must be an object"]
    operation = document.get("operation")
    problems = [f".{key} in body is a forbidden property" for key in sorted(set(document) - _KEYS)]
    if operation in CREATES and isinstance(document.get("object"), dict) and document["object"]:
        pass
    elif operation in DELETES or operation in ("MergePatch", "JSONPatch"):
        if operation in PATCHES:
            problems += _patch_problems(PATCHES[operation], document.get(PATCHES[operation]))
        problems += [f".{key} in body is required" for key in ("kind", "name") if not document.get(key)]
    else:
        # The last schema tried, which an operation without a fitting one is measured by.
        if operation != "JQPatch":
            problems.append("operation in body should be one of [JQPatch]")
        problems += [f".{key} in body is required" for key in ("jqFilter", "kind", "name") if not document.get(key)]
    return [f'"" {_NONE_VALID}', *problems, '"" must validate all the schemas (allOf)'] if problems else []


def _patch_problems(key: str, patch: Any) -> list[str]:
    if not patch:
        return [f".{key} in body is required"]
    if key == "jsonPatch" and isinstance(patch, list):
        first = patch[0] if isinstance(patch[0], dict) else {}
        absent = [f"jsonPatch.0.{word} in body is required" for word in ("op", "path", "value") if word not in first]
        return [f'"jsonPatch" {_NONE_VALID}', *absent] if absent else []
    right = isinstance(patch, str) or (key == "mergePatch" and isinstance(patch, dict))
    return [] if right else [f"{key} in body must be of another type"]


def _outline(document: Any) -> str:
    """Name the document as the operator prints it, without its contents: they may be secret."""
    if not isinstance(document, dict):
        return "(not an object)\n"
    shown = {"ignoreHookError": False, "ignoreMissingObject": False, **document}
    lines = []
    for key, value in sorted(shown.items()):
        plain = isinstance(value, str | bool) and key != "jqFilter"
        lines.append(f"{key}: {(json.dumps(value) if isinstance(value, bool) else value) if plain else '...'}\n")
    return "".join(lines)


def _read(document: Mapping[str, Any]) -> KubeOperation:
    operation = document["operation"]
    if operation in CREATES:
        body: Any = document["object"]
        metadata = body.get("metadata") or {}
        source = {**body, **metadata}
    else:
        source = dict(document)
        body = document.get(PATCHES.get(operation, ""))
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
