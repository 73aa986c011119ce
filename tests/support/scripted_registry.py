# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a registry: a real HTTPS server on loopback that misbehaves as a test tells it to."""

import base64
import contextlib
import hashlib
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from d8registry.adapters.certificates import issue_authority, issue_certificate
from d8registry.model.endpoint import Credentials, Endpoint, Scheme
from d8registry.model.image import RequiredImage
from d8registry.model.secret import Secret
from d8registry.pki.material import Authority

USER, PASSWORD = "puller", "correct horse"
REPOSITORY = "deckhouse/ee"
AUTHORITY = issue_authority(datetime.now(UTC))
STRANGER = issue_authority(datetime.now(UTC), "Somebody else")


def build_manifest(number: int) -> bytes:
    """Build a small manifest; another number gives another digest."""
    return json.dumps({"schemaVersion": 2, "annotations": {"number": str(number)}}).encode()


def build_digest(number: int) -> str:
    """Name the manifest of that number."""
    return f"sha256:{hashlib.sha256(build_manifest(number)).hexdigest()}"


def build_images(count: int) -> list[tuple[int, RequiredImage]]:
    """Ask for the manifests 0 to count-1, under their own indexes."""
    return [(number, RequiredImage(reference=build_digest(number), owner=f"image {number}")) for number in range(count)]


@dataclass
class Script:
    """How the server behaves, and what it saw.

    `auth` is none, basic or bearer; `statuses` are taken one a request before the normal answer; `realm` replaces its
    own token server.
    """

    auth: str = "basic"
    manifests: dict[str, bytes] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0.0
    drop: bool = False
    realm: str = ""
    refuse_tokens: bool = False
    token_status: int = 200
    redirect: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    busy: int = 0
    busiest: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, prefix: str, *, authorized: bool | None = None) -> int:
        """Count requests for paths that begin so, with or without header Authorization."""
        return sum(path.startswith(prefix) and authorized in (None, bool(header)) for path, header in self.requests)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script
    port: int

    def setup(self) -> None:
        super().setup()
        with self.script.lock:
            self.script.connections += 1

    def log_message(self, *_: object) -> None:
        """Stay silent: the script remembers what came."""

    def do_GET(self) -> None:
        script = self.script
        with script.lock:
            script.requests.append((self.path, self.headers.get("Authorization", "")))
            script.busy += 1
            script.busiest = max(script.busiest, script.busy)
        try:
            self._answer()
        finally:
            with script.lock:
                script.busy -= 1

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Refuse the other way to ask for a token, as many token servers do."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self) -> None:
        script = self.script
        if self.path.startswith("/token"):
            return self._give_token()
        if script.hang:
            time.sleep(script.hang)
        if script.drop:
            self.close_connection = True
            return None
        if not self._is_allowed() and not self.path.startswith("/elsewhere"):
            return self._reply(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}', True)
        with script.lock:
            status = script.statuses.pop(0) if script.statuses else 200
        if status != 200:
            return self._reply(status, json.dumps({"errors": [{"code": "X", "message": f"with {PASSWORD}"}]}).encode())
        if script.redirect and not self.path.startswith("/elsewhere"):
            self.send_response(307)
            self.send_header("Location", script.redirect + self.path)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        reference = self.path.partition("?")[0].rpartition("/")[2]
        body = script.manifests.get(reference)
        if body is None:
            return self._reply(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
        return self._reply(200, body)

    def _is_allowed(self) -> bool:
        header = self.headers.get("Authorization", "")
        if self.script.auth == "basic":
            return header == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.script.auth == "bearer":
            return header == "Bearer good" and not self.script.refuse_tokens
        return True

    def _give_token(self) -> None:
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.script.token_status != 200:
            return self._reply(self.script.token_status, b"{}")
        if self.headers.get("Authorization", "") != expected:
            return self._reply(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}')
        return self._reply(200, b'{"token":"good"}')

    def _reply(self, status: int, body: bytes, challenge: bool = False) -> None:
        self.send_response(status)
        if challenge and self.script.auth == "basic":
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        if challenge and self.script.auth == "bearer":
            realm = self.script.realm or f"https://localhost:{self.port}/token"
            scope = f"repository:{REPOSITORY}:pull"
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="test",scope="{scope}"')
        for name, value in self.script.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that give up are part of the tests."""


@contextlib.contextmanager
def run_registry(
    script: Script,
    *,
    authority: Authority = AUTHORITY,
    names: tuple[str, ...] = ("localhost",),
    issued: datetime | None = None,
    tls: bool = True,
) -> Iterator[int]:
    """Serve `script` on a free port of loopback with a certificate for a year from `issued`; gives the port."""
    handler = type("Handler", (_Handler,), {"script": script})
    server = _Server(("127.0.0.1", 0), handler)
    handler.port = server.server_address[1]  # type: ignore[attr-defined]
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pem, key = issue_certificate(authority, names, issued or datetime.now(UTC))
        with tempfile.TemporaryDirectory() as folder:
            chain = Path(folder, "chain.pem")
            chain.write_text(key.value + pem)
            context.load_cert_chain(chain)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def build_endpoint(port: int, *, ca: str | None = None, password: str = PASSWORD, user: str = USER) -> Endpoint:
    """Describe the server as an endpoint."""
    return Endpoint(
        host=f"localhost:{port}",
        path=f"/{REPOSITORY}",
        scheme=Scheme.HTTPS,
        ca=AUTHORITY.pem if ca is None else ca,
        credentials=Credentials(username=user, password=Secret(password)),
    )


EXPIRED = datetime.now(UTC) - timedelta(days=366)
NOT_YET = datetime.now(UTC) + timedelta(days=2)
