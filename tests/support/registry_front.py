# SPDX-License-Identifier: Apache-2.0
"""A registry's real front in a process of its own on loopback, before a few blobs in place of distribution."""

import http.client
import http.server
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from box.layout import REPOSITORY
from box.registries import control
from box.registries.accounts import create_accounts, write_accounts
from box.registries.catalogue import Registry
from box.registries.faults import parse_faults
from box.registries.files import RegistryFiles, write_private
from box.registries.journal import Entry, read_journals
from box.registries.serve import write_descriptor
from box.registries.start import write_certificates
from box.registries.tokens import create_signing_key
from tests.support.proxy_pod import find_free_ports


class _Backend(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    blobs: dict[str, bytes]


class _Handler(http.server.BaseHTTPRequestHandler):
    """Distribution's manners: 401 without a login, 404 for what there is not, else the content."""

    protocol_version = "HTTP/1.1"
    server: _Backend

    def do_GET(self) -> None:
        """Answer."""
        content = self.server.blobs.get(self.path.rpartition("/")[2])
        status = 401 if "Authorization" not in self.headers else 404 if content is None else 200
        body = content if status == 200 and content is not None else b"{}"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="backend"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""

    def address_string(self) -> str:
        """A Unix socket has no address."""
        return "unix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class FrontOnLoopback:
    """Starts at entry and ends at exit."""

    def __init__(self, registry: Registry, folder: Path, blobs: dict[str, bytes]) -> None:
        port, store_port = find_free_ports(2)
        self.registry = replace(registry, host="localhost", address="127.0.0.1", port=port)
        if registry.store:
            self.registry = replace(self.registry, store="localhost", store_address="127.0.0.1", store_port=store_port)
        self.files = RegistryFiles(folder=folder / registry.name)
        self.files.folder.mkdir()
        write_accounts(self.files, create_accounts(self.registry))
        write_certificates(self.registry, self.files)
        write_private(self.files.signing_key, create_signing_key()[0])
        write_descriptor(self.files, self.registry, namespaces=False)
        for digest, content in blobs.items():
            self.files.blob(digest).parent.mkdir(parents=True)
            self.files.blob(digest).write_bytes(content)
        self._backend = _Backend(str(self.files.backend), _Handler)
        self._backend.blobs = blobs
        self._thread = threading.Thread(target=self._backend.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> "FrontOnLoopback":
        self._thread.start()
        command = [sys.executable, "-m", "box.registries.serve", str(self.files.folder)]
        self._process = subprocess.Popen(command, cwd=REPOSITORY)
        while not control.is_ready(self.files):
            assert self._process.poll() is None
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._backend.shutdown()
        self._backend.server_close()
        self._thread.join()

    def set_faults(self, *words: str) -> None:
        """Replace the faults."""
        control.set_faults(self.files, parse_faults(words))

    def connect(self, timeout: float = 5, port: int = 0) -> http.client.HTTPSConnection:
        """A connection that trusts the registry's CA."""
        context = ssl.create_default_context(cafile=str(self.files.ca))
        return http.client.HTTPSConnection("localhost", port or self.registry.port, timeout=timeout, context=context)

    def ask(
        self,
        path: str,
        authorization: str = "",
        *,
        method: str = "GET",
        timeout: float = 5,
        port: int = 0,
        headers: dict[str, str] | None = None,
        body: str | None = None,
    ) -> Reply:
        """One request on a connection of its own; OSError and its kin where there is no answer."""
        connection = self.connect(timeout, port)
        begin = time.monotonic()
        shown = {**(headers or {}), **({"Authorization": authorization} if authorization else {})}
        try:
            connection.request(method, path, body, shown)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        seconds = time.monotonic() - begin
        return Reply(status=answer.status, headers=dict(answer.getheaders()), body=content, seconds=seconds)

    def knock(self) -> None:
        """Make a bare TCP connection; OSError where nobody listens."""
        socket.create_connection(("127.0.0.1", self.registry.port), timeout=2).close()

    def read_journal(self, count: int) -> tuple[Entry, ...]:
        """What the front was asked, `count` times at least: a line is written just after its answer."""
        until = time.monotonic() + 5
        while len(entries := read_journals([self.files.folder])) < count and time.monotonic() < until:
            time.sleep(0.01)
        return entries
