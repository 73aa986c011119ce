# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the Kubernetes API: lists over HTTPS on loopback, in pages, for one client certificate or token."""

import base64
import contextlib
import json
import ssl
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from d8registry.adapters.certificates import issue_authority, issue_certificate

AUTHORITY = issue_authority(datetime.now(UTC), "API")
TOKEN = "a-token"


@dataclass
class ApiScript:
    """What the API holds: path -> items. `expire` continue tokens are answered 410, `status` replaces every 200."""

    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    expire: int = 0
    status: int = 200
    requests: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: ApiScript

    def log_message(self, *_: object) -> None:
        """Stay silent: the script remembers what came."""

    def do_GET(self) -> None:
        script, url = self.script, urlsplit(self.path)
        script.requests.append(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._reply(401, {"message": "Unauthorized"})
        if script.status != 200:
            return self._reply(script.status, {"message": "storage is (re)initializing"})
        if query.get("continue") and script.expire:
            script.expire -= 1
            return self._reply(410, {"message": "expired"})
        items = self._select(script.lists.get(url.path, []), query.get("fieldSelector", ""))
        begin, limit = int(query.get("continue", "0")), int(query["limit"])
        more = str(begin + limit) if begin + limit < len(items) else ""
        return self._reply(200, {"metadata": {"continue": more}, "items": items[begin : begin + limit]})

    def _select(self, items: list[dict[str, Any]], selector: str) -> list[dict[str, Any]]:
        if selector.startswith("metadata.name="):
            return [item for item in items if item["metadata"]["name"] == selector.partition("=")[2]]
        return items

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that give up are part of the tests."""


@contextlib.contextmanager
def run_api(script: ApiScript, folder: Path, *, token: str = TOKEN) -> Iterator[Path]:
    """Serve `script` on a free port of loopback; gives a kubeconfig in `folder`."""
    pem, key = issue_certificate(AUTHORITY, ("localhost",), datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as private:
        chain = Path(private, "chain.pem")
        chain.write_text(key.value + pem)
        context.load_cert_chain(chain)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"script": script}))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    client_pem, client_key = issue_certificate(AUTHORITY, ("a-client",), datetime.now(UTC))
    kubeconfig = folder / "kubeconfig"
    (folder / "client.key").write_text(client_key.value)
    config = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": f"https://localhost:{server.server_address[1]}",
                    "certificate-authority-data": base64.b64encode(AUTHORITY.pem.encode()).decode(),
                },
            }
        ],
        "users": [
            {
                "name": "u",
                "user": {
                    "token": token,
                    "client-certificate-data": base64.b64encode(client_pem.encode()).decode(),
                    "client-key": "client.key",
                },
            }
        ],
    }
    kubeconfig.write_text(json.dumps(config))
    try:
        yield kubeconfig
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
