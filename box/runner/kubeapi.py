# SPDX-License-Identifier: Apache-2.0
"""What the runner asks of an API server. `httpkube` is the real one, the tests bring one in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

Object = dict[str, Any]
"""A Kubernetes object as the API writes it in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A served kind."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def root(self) -> str:
        """Answer the path of the group and version: `/api/v1` or `/apis/<group>/<version>`."""
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which objects to list or watch; empty texts mean all."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list of objects and the revision to watch from."""

    items: tuple[Object, ...]
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One watch event: `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`."""

    kind: str
    object: Object


class KubeApi(Protocol):
    """Requests to the API server. All raise ApiError for an answer of 400 and more."""

    def resolve(self, api_version: str, kind: str) -> Resource:
        """Find a kind, whatever its case. Raises KindUnknown."""
        ...

    def list_objects(self, resource: Resource, selection: Selection) -> Listing:
        """List everything selected."""
        ...

    def watch(self, resource: Resource, selection: Selection, resource_version: str) -> Iterator[Change]:
        """Yield changes until the server ends the stream. Raises ApiError 410 when the revision is too old."""
        ...

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Read one object."""
        ...

    def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Object:
        """Create an object."""
        ...

    def update(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any], subresource: str = ""
    ) -> Object:
        """Replace an object (or its subresource); `metadata.resourceVersion` of the body is tested."""
        ...

    def patch(
        self, resource: Resource, namespace: str, name: str, body: Any, media_type: str, subresource: str = ""
    ) -> Object:
        """Patch an object; `media_type` is JSON_PATCH or MERGE_PATCH."""
        ...

    def delete(self, resource: Resource, namespace: str, name: str, propagation: str) -> None:
        """Delete with `Background`, `Foreground` or `Orphan` propagation."""
        ...
