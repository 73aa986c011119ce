# SPDX-License-Identifier: Apache-2.0
"""Requests to the box's API server, on one kept connection a thread."""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from box.errors import BoxError
from box.layout import API_PORT, BRIDGE_ADDRESS, CORE, PKI
from box.network import inside

IDLE_SECONDS = 60.0
"""How long a connection may lie idle and still be used: the API server closes it after 90 s."""

POD_PATH = "/api/v1/namespaces/{namespace}/pods"


class Absent(BoxError):
    """The API server answered 404."""


class Present(BoxError):
    """The API server answered 409: there is such an object, or it was changed meanwhile."""


class Api:
    """Talks as cluster-admin from inside the core namespace; one instance serves many threads."""

    def __init__(self) -> None:
        self._context = ssl.create_default_context(cafile=str(PKI / "ca.crt"))
        self._context.load_cert_chain(PKI / "admin.crt", PKI / "admin.key")
        self._local = threading.local()
        self._made: list[http.client.HTTPSConnection] = []

    def close(self) -> None:
        """Close the connections of all threads; they are made anew when needed."""
        for connection in self._made:
            connection.close()
        self._made.clear()
        self._local = threading.local()

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The decoded JSON answer; raises Absent for 404, BoxError for other refusals, OSError when unreachable."""
        if time.monotonic() - getattr(self._local, "used", 0.0) > IDLE_SECONDS:
            self._drop()
        connection = self._connect()
        self._local.used = time.monotonic()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise ConnectionError(f"{method} {path}: the API server did not answer: {error!r}") from error
        if answer.status == 404:
            raise Absent(f"{method} {path}: not found")
        if answer.status == 409:
            raise Present(f"{method} {path}: {text[:300]}")
        if answer.status >= 400:
            raise BoxError(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)

    def fetch(self, path: str, **query: str) -> Any:
        """GET an object or a list."""
        return self.request("GET", f"{path}?{urlencode(query)}" if query else path)

    def find(self, path: str) -> Any:
        """GET an object, None where there is none."""
        try:
            return self.request("GET", path)
        except Absent:
            return None

    def fetch_items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """GET the items of a list."""
        items: list[dict[str, Any]] = self.fetch(path, **query)["items"]
        return items

    def delete_now(self, path: str) -> None:
        """DELETE an object without waiting; one that is gone already is fine."""
        try:
            self.request("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
        except Absent:
            return

    def _drop(self) -> None:
        """Close this thread's connection, if there is one."""
        kept = getattr(self._local, "connection", None)
        if kept is not None:
            kept.close()
        self._local.connection = None

    def _connect(self) -> http.client.HTTPSConnection:
        known: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if known is not None:
            return known
        made = http.client.HTTPSConnection(BRIDGE_ADDRESS, API_PORT, timeout=10, context=self._context)
        with inside(CORE):
            made.connect()
        self._local.connection = made
        self._made.append(made)
        return made
