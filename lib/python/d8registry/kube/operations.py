# SPDX-License-Identifier: Apache-2.0
"""Kube operations of addon-operator that a late or lost run cannot do harm with.

Every object that a run writes carries the state revision that it came from. A patch is a jq program that the operator
runs against the object of the moment: where the object carries a higher revision it comes out unchanged, so an orphaned
or delayed run is a no-op and never a failure (a JSON patch `test` would fail the run and put it into back-off).
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from d8registry.kube.seal import SEAL, build_seal

NAMESPACE = "d8-system"
REVISION = "registry.deckhouse.io/revision"
LABELS = {"heritage": "deckhouse", "module": "registry"}

Operation = dict[str, Any]


def apply_secret(
    name: str,
    data: Mapping[str, str],
    seen: Mapping[str, Any] | None,
    revision: int,
    *,
    type_: str = "Opaque",
    annotations: Mapping[str, str | None] | None = None,
    expected: int | None = None,
    salt: str = "",
) -> tuple[Operation, ...]:
    """Make Secret `name` in d8-system hold `data` (text, not base64), or nothing to do when it does.

    An annotation that is None is taken away.

    `seen` is the object (or a filter result with `data` and `metadata.annotations`), None where it is absent. With
    `expected` the object must still carry that very revision, else nothing is written: the state's own optimistic
    lock. With `salt` the object is sealed, so that somebody else's edit can be told. Keys that are not in `data` are
    removed; for an object that others write too see `merge_secret`.
    """
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in sorted(data.items())}
    seal = {SEAL: build_seal(encoded, salt)} if salt else {}
    wanted = {REVISION: str(revision), **seal, **(annotations or {})}
    notes = {key: value for key, value in wanted.items() if value is not None}
    if seen is None:
        return (_create(name, encoded, notes, type_),)
    seen_notes = (seen.get("metadata") or {}).get("annotations") or {}
    same_notes = all(seen_notes.get(key) == value for key, value in wanted.items() if key != REVISION)
    if (seen.get("data") or {}) == encoded and same_notes and (expected in (None, revision)):
        return ()
    guard = f"{_SEEN_REVISION} > {revision}"
    if expected is not None:
        guard = f"{_SEEN_REVISION} != {expected}"
    change = f".data = {json.dumps(encoded)} | .metadata.annotations += {json.dumps(notes)}"
    change += f" | .metadata.labels += {json.dumps(LABELS)}"
    for key in sorted(wanted.keys() - notes.keys()):
        change += f" | del(.metadata.annotations[{json.dumps(key)}])"
    return (_patch(name, guard, change),)


def merge_secret(
    name: str,
    data: Mapping[str, str],
    seen: Mapping[str, Any],
    revision: int,
    *,
    salt: str = "",
    annotations: Mapping[str, str] | None = None,
) -> tuple[Operation, ...]:
    """Set keys of a Secret that belongs to the platform, leaving its other keys and labels as they are."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in sorted(data.items())}
    more = {**(annotations or {}), **({SEAL: build_seal(encoded, salt)} if salt else {})}
    seen_data, seen_notes = seen.get("data") or {}, (seen.get("metadata") or {}).get("annotations") or {}
    if all(seen_data.get(key) == value for key, value in encoded.items()) and more.items() <= seen_notes.items():
        return ()
    notes = {REVISION: str(revision), **more}
    change = f".data += {json.dumps(encoded)} | .metadata.annotations += {json.dumps(notes)}"
    return (_patch(name, f"{_SEEN_REVISION} > {revision}", change),)


def annotate_pod(name: str, key: str, value: str) -> Operation:
    """Annotate a pod in d8-system, which makes its kubelet look at the pod at once; a missing one is fine."""
    return {
        "operation": "MergePatch",
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": NAMESPACE,
        "name": name,
        "ignoreMissingObject": True,
        "mergePatch": {"metadata": {"annotations": {key: value}}},
    }


def read_highest_revision(seen: Mapping[str, Mapping[str, Any]]) -> int:
    """Read the highest revision among objects, 0 without any: a state that starts anew must go on above it."""
    return max((read_revision(item) for item in seen.values()), default=0)


def read_revision(seen: Mapping[str, Any] | None) -> int:
    """Read the state revision that an object came from; 0 where there is none."""
    text = (((seen or {}).get("metadata") or {}).get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdigit() else 0


def delete_object(kind: str, name: str, api_version: str = "v1", *, namespace: str = NAMESPACE) -> Operation:
    """Delete one object in the background; a missing one is fine. `namespace` is empty for a cluster's own."""
    where = {"namespace": namespace} if namespace else {}
    return {"operation": "DeleteInBackground", "apiVersion": api_version, "kind": kind, **where, "name": name}


_SEEN_REVISION = f'((.metadata.annotations["{REVISION}"] // "0") | tonumber)'


def _create(name: str, encoded: Mapping[str, str], annotations: Mapping[str, str], type_: str) -> Operation:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": LABELS, "annotations": dict(annotations)}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type_, "data": dict(encoded)}
    return {"operation": "CreateIfNotExists", "object": secret}


def _patch(name: str, guard: str, change: str) -> Operation:
    return {
        "operation": "JQPatch",
        "apiVersion": "v1",
        "kind": "Secret",
        "namespace": NAMESPACE,
        "name": name,
        "ignoreMissingObject": True,
        "jqFilter": f"if {guard} then . else {change} end",
    }
