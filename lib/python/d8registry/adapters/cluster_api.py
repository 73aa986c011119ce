# SPDX-License-Identifier: Apache-2.0
"""List objects from the Kubernetes API: the little that a hook needs beyond its bindings."""

import base64
import json
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from d8registry.adapters.tls import build_context
from d8registry.errors import ExchangeFailed

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PAGE = 500
SECONDS = 30.0
RESTARTS = 3


@dataclass(frozen=True, slots=True)
class ClusterApi:
    """An API server and who we are to it."""

    server: str
    pool: PoolManager
    token: str = ""

    def fetch_list(self, path: str, **selectors: str) -> Iterator[Mapping[str, Any]]:
        """Give every item of a list (`/api/v1/pods`), page by page.

        `selectors` are query parameters such as fieldSelector. When a page's token expired (HTTP 410) the list begins
        anew, so an item may come twice. Raises ExchangeFailed naming path and status.
        """
        token, restarts = "", 0
        while True:
            query = {"limit": str(PAGE), **selectors, **({"continue": token} if token else {})}
            status, body = self._get(f"{path}?{urlencode(query)}", path)
            if status == 410 and token and restarts < RESTARTS:
                token, restarts = "", restarts + 1
                continue
            if status != 200:
                words = body.get("message") if isinstance(body, dict) else ""
                raise ExchangeFailed(f"GET {path} at {self.server}: HTTP {status} {words or ''}".rstrip())
            yield from body.get("items") or ()
            token = (body.get("metadata") or {}).get("continue") or ""
            if not token:
                return

    def _get(self, target: str, path: str) -> tuple[int, Any]:
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            response = self.pool.request(
                "GET", self.server + target, headers=headers, timeout=Timeout(connect=5.0, read=SECONDS)
            )
            return response.status, json.loads(response.data)
        except HTTPError as error:
            raise ExchangeFailed(f"GET {path} at {self.server}: {type(error).__name__}") from error
        except ValueError as error:
            raise ExchangeFailed(f"GET {path} at {self.server}: the answer is not JSON") from error


def connect_cluster() -> ClusterApi:
    """Connect as kubectl would with KUBECONFIG, else with the pod's service account; raises ExchangeFailed."""
    kubeconfig = os.environ.get("KUBECONFIG", "")
    try:
        if kubeconfig:
            return _connect_by_file(Path(kubeconfig))
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        context = build_context((ACCOUNT / "ca.crt").read_text(), with_system=False)
        server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        return ClusterApi(server, _open_pool(context), (ACCOUNT / "token").read_text().strip())
    except KeyError as error:
        where = f"{kubeconfig}: no {error}" if kubeconfig else "KUBECONFIG is not set, and this is not a pod"
        raise ExchangeFailed(f"the Kubernetes API is not known: {where}") from error
    except (OSError, ValueError) as error:
        raise ExchangeFailed(f"the Kubernetes API is not known: {kubeconfig or ACCOUNT}: {error}") from error


def _connect_by_file(path: Path) -> ClusterApi:
    import yaml

    try:
        config = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError("it is not YAML") from error
    current = _find(config["contexts"], config["current-context"])["context"]
    cluster = _find(config["clusters"], current["cluster"])["cluster"]
    user = _find(config["users"], current["user"])["user"]
    context = build_context(_read(cluster, "certificate-authority", path.parent), with_system=False)
    certificate = _read(user, "client-certificate", path.parent)
    if certificate:
        _load_identity(context, certificate + "\n" + _read(user, "client-key", path.parent))
    token = user.get("token") or ""
    if not token and user.get("tokenFile"):
        token = (path.parent / user["tokenFile"]).read_text().strip()
    return ClusterApi(cluster["server"].rstrip("/"), _open_pool(context), token)


def _load_identity(context: ssl.SSLContext, pem: str) -> None:
    """Load a client certificate and key, which `ssl` takes from files only."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # mode 0600
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)


def _open_pool(context: ssl.SSLContext) -> PoolManager:
    return PoolManager(ssl_context=context, retries=False)


def _find(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for item in items:
        if item["name"] == name:
            return item
    raise KeyError(name)


def _read(section: Mapping[str, Any], key: str, folder: Path) -> str:
    """Read `<key>-data` (base64), else the file `<key>`; empty where there is neither."""
    if section.get(f"{key}-data"):
        return base64.b64decode(section[f"{key}-data"]).decode()
    return (folder / section[key]).read_text() if section.get(key) else ""
