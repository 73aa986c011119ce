# SPDX-License-Identifier: Apache-2.0
"""A real registry: distribution in a process of its own, over TLS, with a token server as vendors have."""

import base64
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs

from box.images.oci import Image
from box.images.storage import RepositoryStorage
from box.registries.catalogue import Registry
from box.registries.tokens import Granted, create_signing_key, sign_token
from tests.support.control_plane import die_with_parent, find_binary

_REPOSITORY = "d/ee"
_START_SECONDS = 20.0


class TokenServer(http.server.BaseHTTPRequestHandler):
    """Gives the one account a token for the one repository: by POST of a form, as containerd asks, or by GET."""

    registry: Registry
    login: tuple[str, str]
    key: bytes
    number = count()

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        """Answer Basic."""
        kind, _, told = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(told).decode().partition(":")
        self._answer(kind == "Basic" and (user, password) == self.login)

    def do_POST(self) -> None:
        """Answer a form."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._answer((form["username"][0], form["password"][0]) == self.login)

    def _answer(self, is_known: bool) -> None:
        granted = Granted(user=self.login[0], repositories=(_REPOSITORY,))
        token = sign_token(granted, self.registry, "bench", self.key, int(time.time()), str(next(self.number)))
        body = json.dumps({"token": token, "access_token": token, "expires_in": 60}).encode() if is_known else b"{}"
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class RealRegistry:
    """What the registry serves."""

    def __init__(self, storage: Path) -> None:
        self._storage = RepositoryStorage(root=storage, repository=_REPOSITORY)

    def add(self, image: Image) -> None:
        """Serve this image."""
        for blob in image.blobs():
            self._storage.add_blob(blob)
        self._storage.add_manifest(image.manifest)


@contextmanager
def serve_real(folder: Path, host: str, address: str, login: tuple[str, str], chain: Path) -> Iterator[RealRegistry]:
    """Serve `host` (and `auth.host`) at `address` with the certificate and key of `chain`."""
    about = Registry(name="bench", host=host, address=address, paths=(_REPOSITORY,), about="")
    key, keys = create_signing_key()
    folder.mkdir()
    (folder / "jwks.json").write_text(json.dumps(keys))
    token = {
        "realm": f"https://{about.token_host}:444/token",
        "service": host,
        "issuer": about.token_host,
        "jwks": str(folder / "jwks.json"),
        "signingalgorithms": ["ES256"],
    }
    storage = {"filesystem": {"rootdirectory": str(folder / "storage")}}
    tls = {"certificate": str(chain), "key": str(chain)}
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {**storage, "maintenance": {"readonly": {"enabled": True}, "uploadpurging": {"enabled": False}}},
        "auth": {"token": token},
        "http": {"addr": f"{address}:443", "secret": "bench", "tls": tls},
    }
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    handler = type("Handler", (TokenServer,), {"registry": about, "login": login, "key": key})
    server = http.server.ThreadingHTTPServer((address, 444), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [str(find_binary("distribution-*/registry")), "serve", str(folder / "config.yml")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)
    try:
        _wait_ready(process, address, folder / "log")
        yield RealRegistry(folder / "storage")
    finally:
        process.terminate()
        process.wait(15)
        server.shutdown()


def _wait_ready(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection((address, 443), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise TimeoutError(f"the registry does not start:\n{log.read_text()}") from None
            time.sleep(0.1)
