# SPDX-License-Identifier: Apache-2.0
"""Requests of the box itself to its API server, as cluster-admin, from inside the core namespace."""

import http.client
import json
import ssl
from datetime import UTC, datetime
from typing import Any

from box.errors import BoxError
from box.layout import API_PORT, BRIDGE_ADDRESS, CORE, PKI
from box.network import inside


def request(method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
    """Return the decoded answer (JSON, else text).

    Raises BoxError for a status from 400 on, OSError when there is no answer.
    """
    context = ssl.create_default_context(cafile=str(PKI / "ca.crt"))
    context.load_cert_chain(PKI / "admin.crt", PKI / "admin.key")
    with inside(CORE):
        connection = http.client.HTTPSConnection(BRIDGE_ADDRESS, API_PORT, timeout=10, context=context)
        connection.connect()
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status >= 400:
        raise BoxError(f"{method} {path}: {answer.status} {text[:300]}")
    return json.loads(text) if "json" in (answer.getheader("Content-Type") or "") else text


def is_ready() -> bool:
    """Say whether the API server answers /readyz with 200."""
    try:
        request("GET", "/readyz")
    except (OSError, BoxError):
        return False
    return True


def fetch_nodes() -> dict[str, bool]:
    """Return for each registered Node whether it is Ready."""
    items = request("GET", "/api/v1/nodes")["items"]
    return {
        item["metadata"]["name"]: any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in item["status"].get("conditions", [])
        )
        for item in items
    }


def fetch_ready_since(name: str) -> datetime | None:
    """Return when the kubelet last said that its Node is Ready; None when it says otherwise or never did."""
    item = request("GET", f"/api/v1/nodes/{name}")
    for condition in item["status"].get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return datetime.strptime(condition["lastHeartbeatTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return None


def delete(path: str) -> bool:
    """Delete an object; False when it was not there."""
    try:
        request("DELETE", path)
    except BoxError as error:
        if ": 404 " in str(error):
            return False
        raise
    return True
