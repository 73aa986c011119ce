# SPDX-License-Identifier: Apache-2.0
"""The API server over HTTPS."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3

from box.runner.errors import ApiError, KindUnknown
from box.runner.kubeapi import Change, Listing, Object, Resource, Selection
from box.runner.pace import TokenBucket

FIELD_MANAGER = "addon-operator"
WATCH_SECONDS = 290
_TIMEOUT = urllib3.Timeout(connect=5, read=60)
_WATCH_TIMEOUT = urllib3.Timeout(connect=5, read=WATCH_SECONDS + 30)


class HttpKube:
    """A `KubeApi` on a real server. `bucket` limits the rate of requests that are not watches."""

    def __init__(self, server: str, pool: urllib3.PoolManager, bucket: TokenBucket | None = None) -> None:
        self._server = server.rstrip("/")
        self._pool = pool
        self._bucket = bucket
        self._kinds: dict[tuple[str, str], Resource] = {}
        self._lock = threading.Lock()

    def limited(self, *, qps: float, burst: int) -> HttpKube:
        """Answer a client on the same connections with a rate limit of its own."""
        return HttpKube(
            self._server, self._pool, TokenBucket(interval=1 / qps if qps > 0 else 0, burst=burst, now=time.monotonic)
        )

    def resolve(self, api_version: str, kind: str) -> Resource:
        """Find a kind, whatever its case, asking the server once. Raises KindUnknown."""
        key = (api_version, kind.lower())
        with self._lock:
            if key in self._kinds:
                return self._kinds[key]
        for version in [api_version] if api_version else self._versions():
            for resource in self._resources(version):
                if resource.kind.lower() == kind.lower():
                    with self._lock:
                        self._kinds[key] = resource
                    return resource
        raise KindUnknown(api_version, kind)

    def list_objects(self, resource: Resource, selection: Selection) -> Listing:
        """List everything selected, page by page."""
        items: list[Object] = []
        query: dict[str, Any] = {"limit": 500}
        while True:
            answer = self._call("GET", _path(resource, selection.namespace), query={**_query(selection), **query})
            for item in answer.get("items") or []:
                items.append({"apiVersion": resource.api_version, "kind": resource.kind, **item})
            metadata = answer["metadata"]
            if not metadata.get("continue"):
                return Listing(items=tuple(items), resource_version=metadata["resourceVersion"])
            query["continue"] = metadata["continue"]

    def watch(self, resource: Resource, selection: Selection, resource_version: str) -> Iterator[Change]:
        """Yield changes until the server ends the stream."""
        query = {
            **_query(selection),
            "watch": "1",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        url = f"{self._server}{_path(resource, selection.namespace)}?{urlencode(query)}"
        try:
            response = self._pool.request("GET", url, preload_content=False, timeout=_WATCH_TIMEOUT, retries=False)
            try:
                if response.status >= 400:
                    raise _refusal(response.status, response.read())
                for line in _lines(response):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise ApiError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
                    yield Change(kind=event["type"], object=event["object"])
            finally:
                response.close()
                response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(self._server, error) from error

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Read one object."""
        return self._call("GET", _path(resource, namespace, name))

    def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Object:
        """Create an object."""
        return self._call("POST", _path(resource, namespace), body=body, query={"fieldManager": FIELD_MANAGER})

    def update(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any], subresource: str = ""
    ) -> Object:
        """Replace an object or its subresource."""
        path = _path(resource, namespace, name, subresource)
        return self._call("PUT", path, body=body, query={"fieldManager": FIELD_MANAGER})

    def patch(
        self, resource: Resource, namespace: str, name: str, body: Any, media_type: str, subresource: str = ""
    ) -> Object:
        """Patch an object or its subresource."""
        path = _path(resource, namespace, name, subresource)
        return self._call("PATCH", path, body=body, media_type=media_type, query={"fieldManager": FIELD_MANAGER})

    def delete(self, resource: Resource, namespace: str, name: str, propagation: str) -> None:
        """Delete an object."""
        self._call("DELETE", _path(resource, namespace, name), body={"propagationPolicy": propagation})

    def _versions(self) -> list[str]:
        groups = self._call("GET", "/apis").get("groups") or []
        return ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]

    def _resources(self, version: str) -> list[Resource]:
        try:
            answer = self._call("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        return [
            Resource(api_version=version, kind=item["kind"], plural=item["name"], namespaced=item["namespaced"])
            for item in answer.get("resources") or []
            if "/" not in item["name"]
        ]

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        media_type: str = "application/json",
        query: Mapping[str, Any] | None = None,
    ) -> Object:
        if self._bucket is not None:
            time.sleep(self._bucket.reserve())
        url = f"{self._server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers={**self._pool.headers, "Content-Type": media_type, "Accept": "application/json"},
                timeout=_TIMEOUT,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(self._server, error) from error
        if response.status >= 400:
            raise _refusal(response.status, response.data)
        answer: Object = json.loads(response.data)
        return answer


def _path(resource: Resource, namespace: str, name: str = "", subresource: str = "") -> str:
    path = resource.root
    if resource.namespaced and namespace:
        path += f"/namespaces/{namespace}"
    return "/".join(part for part in (path, resource.plural, name, subresource) if part)


def _query(selection: Selection) -> dict[str, str]:
    query = {"labelSelector": selection.labels, "fieldSelector": selection.fields}
    return {key: value for key, value in query.items() if value}


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line)


def _refusal(status: int, body: bytes) -> ApiError:
    try:
        answer = json.loads(body)
        return ApiError(status, str(answer.get("reason", "")), str(answer.get("message", f"status {status}")))
    except (ValueError, AttributeError):
        return ApiError(status, "", f"the API server answered {status}")


def _unreachable(server: str, error: Exception) -> ApiError:
    return ApiError(503, "Unreachable", f"{server}: {error.__class__.__name__}: {error}")
