# SPDX-License-Identifier: Apache-2.0
"""Objects of the stand-ins in the cluster: read one, read all, make one as it should be."""

from collections.abc import Mapping
from typing import Any

from box.runner.errors import ApiError
from box.runner.kubeapi import MERGE_PATCH, KubeApi, Object, Selection

_NOT_FOUND = 404
_CONFLICT = 409


def fetch(kube: KubeApi, api_version: str, kind: str, namespace: str, name: str) -> Object | None:
    """Read an object; None when it is absent."""
    try:
        return kube.get(kube.resolve(api_version, kind), namespace, name)
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return None
        raise


def fetch_all(kube: KubeApi, api_version: str, kind: str, namespace: str = "", labels: str = "") -> tuple[Object, ...]:
    """Read all objects of a kind."""
    selection = Selection(namespace=namespace, labels=labels)
    return kube.list_objects(kube.resolve(api_version, kind), selection).items


def ensure(kube: KubeApi, wanted: Mapping[str, Any]) -> bool:
    """Make an object hold what `wanted` holds, leaving its other fields alone; True when something was written."""
    metadata = wanted["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    resource = kube.resolve(wanted["apiVersion"], wanted["kind"])
    present = fetch(kube, wanted["apiVersion"], wanted["kind"], namespace, name)
    if present is None:
        kube.create(resource, namespace, wanted)
        return True
    if is_held(wanted, present):
        return False
    kube.patch(resource, namespace, name, dict(wanted), MERGE_PATCH)
    return True


def ensure_once(kube: KubeApi, wanted: Mapping[str, Any]) -> bool:
    """Create an object that is the user's or another part's to change afterwards; True when it was absent."""
    try:
        kube.create(kube.resolve(wanted["apiVersion"], wanted["kind"]), wanted["metadata"].get("namespace", ""), wanted)
    except ApiError as error:
        if error.status == _CONFLICT:
            return False
        raise
    return True


def is_held(wanted: Any, present: Any) -> bool:
    """Whether `present` has all that `wanted` has; lists must be of one length and are compared item by item."""
    if isinstance(wanted, Mapping):
        return isinstance(present, Mapping) and all(is_held(value, present.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(present, list)
            and len(wanted) == len(present)
            and all(is_held(one, other) for one, other in zip(wanted, present, strict=True))
        )
    return bool(wanted == present)
