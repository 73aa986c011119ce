# SPDX-License-Identifier: Apache-2.0
"""An API server in memory, for the few kinds and habits that the recorded cases show. Implements `KubeApi`."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonpatch

from box.runner.errors import ApiError, KindUnknown
from box.runner.kubeapi import JSON_PATCH, Change, Listing, Object, Resource, Selection

RESOURCES = (
    Resource(api_version="v1", kind="ConfigMap", plural="configmaps", namespaced=True),
    Resource(api_version="v1", kind="Secret", plural="secrets", namespaced=True),
    Resource(api_version="v1", kind="Node", plural="nodes", namespaced=False),
)
_SERVER_OWNED = ("uid", "creationTimestamp", "managedFields")


class FakeKube:
    """Objects by kind, namespace and name. `resourceVersion` grows only when something changed."""

    def __init__(self, objects: Iterable[Mapping[str, Any]] = ()) -> None:
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._revision = 0
        self.requests: list[str] = []
        for item in objects:
            metadata = item["metadata"]
            self._objects[item["kind"], metadata.get("namespace", ""), metadata["name"]] = copy.deepcopy(dict(item))
            self._revision = max(self._revision, int(metadata["resourceVersion"]))

    def resolve(self, api_version: str, kind: str) -> Resource:
        for resource in RESOURCES:
            if resource.kind.lower() == kind.lower() and api_version in ("", resource.api_version):
                return resource
        raise KindUnknown(api_version, kind)

    def list_objects(self, resource: Resource, selection: Selection) -> Listing:
        found = [
            copy.deepcopy(item)
            for (kind, namespace, _), item in sorted(self._objects.items())
            if kind == resource.kind and selection.namespace in ("", namespace) and is_selected(item, selection)
        ]
        return Listing(items=tuple(found), resource_version=str(self._revision))

    def watch(self, resource: Resource, selection: Selection, resource_version: str) -> Iterator[Change]:
        yield from ()

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        self.requests.append(f"get {resource.plural}/{name}")
        return copy.deepcopy(self._find(resource, namespace, name))

    def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Object:
        if resource.namespaced and not namespace:
            raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        name = body["metadata"]["name"]
        if (resource.kind, namespace, name) in self._objects:
            raise ApiError(409, "AlreadyExists", f'{resource.plural} "{name}" already exists')
        return self._store(resource, namespace, name, _as_served(resource.kind, body))

    def update(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any], subresource: str = ""
    ) -> Object:
        self.requests.append(f"update {resource.plural}/{name}")
        current = self._find(resource, namespace, name)
        wanted = body["metadata"].get("resourceVersion")
        if wanted is not None and wanted != current["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", f"the object {name} has been modified")
        return self._write(resource, namespace, name, dict(body), subresource)

    def patch(
        self, resource: Resource, namespace: str, name: str, body: Any, media_type: str, subresource: str = ""
    ) -> Object:
        self.requests.append(f"patch {resource.plural}/{name}")
        current = copy.deepcopy(self._find(resource, namespace, name))
        if media_type == JSON_PATCH:
            try:
                changed = jsonpatch.apply_patch(current, body)
            except jsonpatch.JsonPatchException as error:
                message = "the server rejected our request due to an error in our request"
                raise ApiError(422, "Invalid", message) from error
        else:
            changed = _merge(current, body)
        return self._write(resource, namespace, name, changed, subresource)

    def delete(self, resource: Resource, namespace: str, name: str, propagation: str) -> None:
        self._find(resource, namespace, name)
        del self._objects[resource.kind, namespace, name]

    def put(self, item: Mapping[str, Any]) -> None:
        """Store an object as another client would have left it."""
        metadata = item["metadata"]
        self._objects[item["kind"], metadata.get("namespace", ""), metadata["name"]] = copy.deepcopy(dict(item))

    def _find(self, resource: Resource, namespace: str, name: str) -> Object:
        try:
            return self._objects[resource.kind, namespace, name]
        except KeyError:
            raise ApiError(404, "NotFound", f'{resource.plural} "{name}" not found') from None

    def _write(self, resource: Resource, namespace: str, name: str, body: Object, subresource: str) -> Object:
        current = self._find(resource, namespace, name)
        changed = _as_served(resource.kind, body)
        if subresource == "status":
            changed = {**current, "status": changed.get("status", {})}
        elif "status" in current:
            changed["status"] = current["status"]
        return self._store(resource, namespace, name, changed)

    def _store(self, resource: Resource, namespace: str, name: str, body: Object) -> Object:
        before = self._objects.get((resource.kind, namespace, name))
        stored = copy.deepcopy(body)
        if before is not None:
            for key in ("resourceVersion", *_SERVER_OWNED):
                stored["metadata"].pop(key, None)
                if key in before["metadata"]:
                    stored["metadata"][key] = before["metadata"][key]
        if stored != before:
            self._revision += 1
            stored["metadata"]["resourceVersion"] = str(self._revision)
        self._objects[resource.kind, namespace, name] = stored
        return copy.deepcopy(stored)


def is_selected(item: Mapping[str, Any], selection: Selection) -> bool:
    """Tell whether labels and `metadata.name` of an object fit; only equality is known here."""
    labels = item["metadata"].get("labels") or {}
    for part in filter(None, selection.labels.split(",")):
        key, _, value = part.partition("=")
        if labels.get(key) != value:
            return False
    for part in filter(None, selection.fields.split(",")):
        key, _, value = part.partition("=")
        if key != "metadata.name" or item["metadata"]["name"] != value:
            return False
    return True


def _as_served(kind: str, body: Mapping[str, Any]) -> Object:
    """Imitate what the typed API drops, moves and fills in."""
    served = copy.deepcopy(dict(body))
    if kind in ("ConfigMap", "Secret"):
        for key, value in (served.pop("stringData", None) or {}).items():
            served.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
        if not served.get("data"):
            served.pop("data", None)
    if kind == "Secret":
        served.setdefault("type", "Opaque")
    if kind == "Node":
        served.setdefault("spec", {})
        status = served.get("status") or {}
        if "conditions" in status:
            status["conditions"] = [{k: v for k, v in item.items() if v != ""} for item in status["conditions"]]
    return served


def _merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged
