# SPDX-License-Identifier: Apache-2.0
"""JSON patches on values: what a hook may write, how it is applied, how it is remembered.

Only `add`, `remove` and `test` are of use; one operation per path is remembered for the life of the module and all
are replayed sorted by path, which is why a hook must not patch inside lists (`add .../-` replays wrongly).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from box.runner import gojson
from box.runner.errors import ValuesError


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation; `path` is a JSON pointer. The `from` of move and copy is lost, as in the operator."""

    op: str
    path: str
    value: Any = None


class _RemoveError(ValuesError):
    """A `remove` that does not apply; ignored when remembered operations are replayed."""


def parse_values_patch(text: str) -> tuple[Operation, ...]:
    """Read a stream of operations or of arrays of them. Raises ValuesError for malformed JSON."""
    decoder = json.JSONDecoder()
    items: list[Any] = []
    position = 0
    while (position := _skip_blanks(text, position)) < len(text):
        try:
            document, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise ValuesError(f"bad json-patch data: {_describe(error)}\n{text}") from error
        items += document if isinstance(document, list) else [document]
    operations: list[Operation] = []
    for item in items:
        if not isinstance(item, dict):
            raise ValuesError(f"bad json-patch data: an operation is not an object\n{text}")
        operations.append(
            Operation(op=str(item.get("op", "")), path=str(item.get("path", "")), value=item.get("value"))
        )
    return tuple(operations)


def check_operations(operations: Iterable[Operation], root: str) -> None:
    """Refuse `replace` and paths outside `/root`. Raises ValuesError."""
    for operation in operations:
        shown = gojson.dumps(operation.value)
        if operation.op == "replace":
            raise ValuesError(f"unsupported patch operation '{operation.op}': '{shown}'")
        key = operation.path.split("/")[1] if "/" in operation.path else operation.path
        if key != root:
            raise ValuesError(f"unacceptable patch operation for path '{key}' (only '{root}' accepted): '{shown}'")


def apply_strict(document: Any, operations: Iterable[Operation]) -> Any:
    """Answer a changed copy of `document`; the first operation that does not apply raises ValuesError."""
    changed = copy.deepcopy(document)
    for operation in operations:
        _apply(changed, operation)
    return changed


def replay(document: Any, operations: Iterable[Operation]) -> Any:
    """Answer a changed copy of `document`; a `remove` of something that is not there is passed over."""
    changed = copy.deepcopy(document)
    for operation in operations:
        try:
            _apply(changed, operation)
        except _RemoveError:
            continue
    return changed


def remember(known: Iterable[Operation], new: Iterable[Operation]) -> tuple[Operation, ...]:
    """Merge operations into the remembered ones: the last per path, a new parent drops its children, sorted."""
    by_path = {operation.path: operation for operation in known}
    for operation in new:
        if operation.op == "test":
            continue
        for path in [path for path in by_path if path.startswith(operation.path + "/")]:
            del by_path[path]
        by_path[operation.path] = operation
    return tuple(by_path[path] for path in sorted(by_path))


def _apply(document: Any, operation: Operation) -> None:
    if operation.op in ("move", "copy"):
        raise ValuesError(
            f"{operation.op} operation failed to decode from: operation, missing from field: missing value"
        )
    if operation.op not in ("add", "remove", "test"):
        raise ValuesError(f"Unexpected kind: {operation.op}")
    parts = [part.replace("~1", "/").replace("~0", "~") for part in operation.path.split("/")[1:]]
    parent = _find(document, parts[:-1])
    if operation.op == "test":
        if not parts or _value_at(parent, parts[-1]) != operation.value:
            raise ValuesError(f"testing value {operation.path} failed: test failed")
        return
    failure = _RemoveError if operation.op == "remove" else ValuesError
    if not isinstance(parent, dict | list) or not parts:
        raise failure(
            f'{operation.op} operation does not apply: doc is missing path: "{operation.path}": missing value'
        )
    if operation.op == "add":
        _add(parent, parts[-1], operation)
    else:
        _remove(parent, parts[-1], operation.path)


def _add(parent: Any, key: str, operation: Operation) -> None:
    value = copy.deepcopy(operation.value)
    if isinstance(parent, dict):
        parent[key] = value
    elif key == "-":
        parent.append(value)
    elif key.isdigit() and int(key) <= len(parent):
        parent.insert(int(key), value)
    else:
        raise ValuesError(f"error in add for path: '{operation.path}': {_bad_index(key)}")


def _remove(parent: Any, key: str, path: str) -> None:
    if isinstance(parent, dict):
        if key not in parent:
            raise _RemoveError(
                f"error in remove for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
            )
        del parent[key]
    elif key.isdigit() and int(key) < len(parent):
        del parent[int(key)]
    else:
        raise _RemoveError(f"error in remove for path: '{path}': {_bad_index(key)}")


def _bad_index(key: str) -> str:
    return f"Unable to access invalid index: {key}: invalid index referenced"


def _find(document: Any, parts: Sequence[str]) -> Any:
    for part in parts:
        document = _value_at(document, part)
    return document


def _value_at(parent: Any, key: str) -> Any:
    if isinstance(parent, dict):
        return parent.get(key)
    if isinstance(parent, list) and key.isdigit() and int(key) < len(parent):
        return parent[int(key)]
    return None


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _describe(error: json.JSONDecodeError) -> str:
    """Word a decoding error as Go does where a hook's author meets it; otherwise as Python does."""
    if error.pos >= len(error.doc):
        return "unexpected EOF"
    if error.msg.startswith("Expecting property name"):
        return f"invalid character '{error.doc[error.pos]}' looking for beginning of object key string"
    return error.msg
