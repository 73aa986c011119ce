# SPDX-License-Identifier: Apache-2.0
"""Doing what a hook asks of the cluster.

Every operation is tried in order; failures do not stop the later ones, and make the run fail at the end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import jq

from box.runner.errors import ApiError, PatchError, render_errors
from box.runner.kubeapi import JSON_PATCH, MERGE_PATCH, KubeApi, Object, Resource
from box.runner.kubeoperations import CREATES, DELETES, PATCHES, KubeOperation

DELETE_POLL = 1.0
DELETE_LIMIT = 20.0
_CONFLICT_TRIES = 5


def apply_kube_operations(api: KubeApi, operations: Sequence[KubeOperation]) -> None:
    """Try every operation in order. Raises PatchError that lists all failures."""
    failures: list[str] = []
    for operation in operations:
        verb = "Filter" if operation.operation in PATCHES else operation.operation[:6]
        try:
            _apply(api, operation, api.resolve(operation.api_version, operation.kind))
        except ApiError as error:
            target = operation.target
            failures.append(f"{verb} object {target}: {f'{target}: ' if verb == 'Create' else ''}{error}")
    if failures:
        raise PatchError(render_errors(failures))


def _apply(api: KubeApi, operation: KubeOperation, resource: Resource) -> None:
    if operation.operation in CREATES:
        _create(api, operation, resource)
        return
    try:
        if operation.operation in DELETES:
            _delete(api, operation, resource)
        elif operation.operation == "JQPatch":
            _replace(api, operation, resource)
        else:
            media_type = JSON_PATCH if operation.operation == "JSONPatch" else MERGE_PATCH
            api.patch(resource, operation.namespace, operation.name, operation.body, media_type, operation.subresource)
    except ApiError as error:
        if error.status == 404 and (operation.ignore_missing or operation.operation in DELETES):
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
    propagation = DELETES[operation.operation]
    api.delete(resource, operation.namespace, operation.name, propagation)
    if propagation != "Foreground":
        return
    limit = time.monotonic() + DELETE_LIMIT
    while time.monotonic() < limit:
        api.get(resource, operation.namespace, operation.name)
        time.sleep(DELETE_POLL)
    raise ApiError(504, "Timeout", f"object is still there after {DELETE_LIMIT:.0f} s (is the garbage collector up?)")
