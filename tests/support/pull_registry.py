# SPDX-License-Identifier: Apache-2.0
"""A registry for containerd: the read-only distribution API over TLS, which fails as a test tells it to.

It notes every request with the account that it carried, so that a test can say which source was asked for what. Tokens
(Bearer) are given for its own repository alone, as a strict token server does.
"""

import base64
import contextlib
import json
import secrets
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from box.images.oci import INDEX, MANIFEST, Blob, Image


class Auth(StrEnum):
    """How a registry asks who is there."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How a request for a manifest or a blob ends; all empty is a right answer.

    `hang` seconds pass before anything is said; `cut` is how much of the body is sent before the connection ends.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    hang: float = 0.0
    cut: int | None = None
    wrong_bytes: bool = False
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came: `kind` is manifests, blobs or token; `account` is empty for an anonymous one."""

    host: str
    kind: str
    repository: str
    account: str
    status: int


@dataclass
class PullRegistry:
    """What a registry serves to whom; change it between two pulls."""

    name: str
    auth: Auth = Auth.BASIC
    repository: str = "deckhouse/ee"
    accounts: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)

    def add(self, image: Image) -> None:
        """Serve this image."""
        for blob in (image.manifest, *image.blobs()):
            self.blobs[blob.digest] = blob

    def reset(self) -> None:
        """Forget faults, requests and tokens, and let requests that hang go."""
        self.released.set()
        self.released = threading.Event()
        self.faults, self.requests, self.tokens = {}, [], {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: else each answer waits for the client's delayed acknowledgement
    disable_nagle_algorithm = True
    registry: PullRegistry

    def log_message(self, *_: object) -> None:
        """Stay silent: the registry remembers what came."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/token":
            return self._give_token(dict(parse_qsl(parts.query)).get("scope", ""), parts.query)
        names = parts.path.strip("/").split("/")
        if len(names) < 4:
            return self._reply(200 if self._find_account() is not None else 401, b"{}", kind="version")
        repository, kind, reference = "/".join(names[1:-2]), names[-2], names[-1]
        fault = self.registry.faults.get(kind, Fault())
        if fault.hang:
            self.registry.released.wait(fault.hang)
            self.close_connection = True
            return None
        if fault.status != 200:
            return self._reply(fault.status, fault.body.encode() or b"{}", kind, repository, dict(fault.headers))
        if self._find_account() is None:
            return self._reply(401, _error("UNAUTHORIZED", "authentication required"), kind, repository)
        blob = self.registry.blobs.get(reference)
        is_manifest = blob is not None and blob.media_type in {MANIFEST, INDEX}
        if blob is None or repository != self.registry.repository or (kind == "manifests" and not is_manifest):
            code = "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN"
            return self._reply(404, _error(code, "unknown"), kind, repository)
        return self._serve(blob, fault, kind, repository)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        # containerd asks for tokens by OAuth first; most token servers of registries know the older GET alone.
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._reply(405, b"{}", "oauth")

    def _serve(self, blob: Blob, fault: Fault, kind: str, repository: str) -> None:
        if fault.location:
            return self._reply(307, b"", kind, repository, {"Location": fault.location})
        headers = {"Content-Type": blob.media_type, "Docker-Content-Digest": blob.digest}
        content = bytes(byte ^ 1 for byte in blob.content) if fault.wrong_bytes else blob.content
        return self._reply(200, content, kind, repository, headers, cut=fault.cut)

    def _find_account(self) -> str | None:
        """Return who is asking, None if that is nobody the registry knows."""
        if self.registry.auth is Auth.NONE:
            return ""
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if self.registry.auth is Auth.BEARER:
            return self.registry.tokens.get(given) if scheme == "Bearer" else None
        return self._check_password(given) if scheme == "Basic" else None

    def _check_password(self, given: str) -> str | None:
        user, _, password = base64.b64decode(given).decode().partition(":")
        return user if self.registry.accounts.get(user) == password else None

    def _read_claim(self) -> str:
        """Return the account that the request names, right or wrong."""
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            return base64.b64decode(given).decode().partition(":")[0]
        return self.registry.tokens.get(given, "stranger") if scheme == "Bearer" else ""

    def _give_token(self, scope: str, query: str) -> None:
        fault = self.registry.faults.get("token", Fault())
        if fault.status != 200:
            return self._reply(fault.status, fault.body.encode() or b"{}", "token", headers=dict(fault.headers))
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        user = self._check_password(given) if scheme == "Basic" else None
        if user is None:
            return self._reply(401, _error("UNAUTHORIZED", "wrong password"), "token")
        asked = {value for name, value in parse_qsl(query) if name == "scope"}
        token = secrets.token_hex(8)
        if f"repository:{self.registry.repository}:pull" in asked:
            self.registry.tokens[token] = user
        return self._reply(200, json.dumps({"token": token, "expires_in": 300}).encode(), "token", scope)

    def _reply(
        self,
        status: int,
        body: bytes,
        kind: str,
        repository: str = "",
        headers: dict[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        seen = Request(
            host=self.registry.name, kind=kind, repository=repository, account=self._read_claim(), status=status
        )
        self.registry.requests.append(seen)
        self.send_response(status)
        if status == 401 and kind != "token" and "WWW-Authenticate" not in (headers or {}):
            self.send_header("WWW-Authenticate", self._challenge())
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
            if cut is not None:
                self.close_connection = True

    def _challenge(self) -> str:
        if self.registry.auth is not Auth.BEARER:
            return 'Basic realm="registry"'
        realm, name = f"https://{self.registry.name}/token", self.registry.name
        return f'Bearer realm="{realm}",service="{name}",scope="repository:{self.registry.repository}:pull"'


def _error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that give up are part of the tests."""


@contextlib.contextmanager
def serve(registry: PullRegistry, address: str, chain: str | None, port: int = 443) -> Iterator[None]:
    """Serve on an address with the certificate and key in the file `chain`, or over plain HTTP without."""
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = _Server((address, port), handler)
    if chain is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        registry.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
