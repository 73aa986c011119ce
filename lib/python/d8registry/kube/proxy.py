# SPDX-License-Identifier: Apache-2.0
"""Secrets of the in-cluster proxy, and the values that switch it on (docs/internal/INTERFACES.md)."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from d8registry.model.cluster import Node
from d8registry.model.endpoint import Credentials, Endpoint, Scheme
from d8registry.model.secret import Secret

UPSTREAM = "registry-incluster-proxy-upstream"
USERS = "registry-incluster-proxy-users"
CERTIFICATE = "registry-incluster-proxy-tls"
RENDERED = (
    ("apps/v1", "Deployment", "registry-incluster-proxy"),
    ("v1", "Service", "registry"),
    ("policy/v1", "PodDisruptionBudget", "registry-incluster-proxy"),
    ("v1", "ServiceAccount", "registry-incluster-proxy"),
)
AUTOSCALER = ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", "registry-incluster-proxy")


def build_upstream(endpoint: Endpoint, generation: int) -> str:
    """Build `upstream.json`."""
    return _dump(
        {
            "generation": str(generation),
            "scheme": endpoint.scheme.value,
            "host": endpoint.host,
            "path": endpoint.path,
            "ca": endpoint.ca,
            "username": endpoint.credentials.username,
            "password": endpoint.credentials.password.value,
        }
    )


def read_upstream(text: str) -> tuple[Endpoint, int]:
    """Read `upstream.json` back: the endpoint and its generation. Raises ValueError or KeyError for another text."""
    body = json.loads(text)
    login = Credentials(username=body["username"], password=Secret(body["password"]))
    endpoint = Endpoint(
        host=body["host"], path=body["path"], scheme=Scheme(body["scheme"]), ca=body["ca"], credentials=login
    )
    return endpoint, int(body["generation"])


def build_users(accepted: Sequence[Credentials], generation: str) -> str:
    """Build `users.json`: each known user once; anonymous clients only if one of the endpoints is anonymous."""
    known = {(user.username, user.password.value) for user in accepted if user}
    return _dump(
        {
            "generation": generation,
            "anonymous": any(not user for user in accepted),
            "users": [{"username": name, "password": password} for name, password in sorted(known)],
        }
    )


def build_values(nodes: Iterable[Node], *, is_enabled: bool) -> dict[str, Any]:
    """Build values `registry.internal.proxy`: one pod a master that is not away."""
    masters = sum(node.is_master and not node.away for node in nodes)
    return {"enabled": is_enabled, "replicas": max(masters, 1) if is_enabled else 0}


def _dump(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n"
