# SPDX-License-Identifier: Apache-2.0
"""What can be asked of a running runner: readiness over TCP, the queues over a Unix socket."""

from __future__ import annotations

import http.client
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from box.runner.errors import RunnerError

Answer = tuple[int, str]
Query = Mapping[str, str]
Routes = Mapping[str, Callable[[Query], Answer]]
_SOCKET_TIMEOUT = 5.0


def _handler(routes: Routes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET of the known paths."""

        def do_GET(self) -> None:
            """Answer one request."""
            path, _, query = self.path.partition("?")
            route = routes.get(path)
            status, text = route(dict(parse_qsl(query))) if route else (404, "not found\n")
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            """Name the client; a Unix socket has none."""
            return "local"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name of the base class)
            """Keep probes out of the log."""

    return Handler


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def serve_tcp(address: str, port: int, routes: Routes) -> None:
    """Serve in a thread. Raises RunnerError when the port is taken."""
    try:
        server = ThreadingHTTPServer((address, port), _handler(routes))
    except OSError as error:
        raise RunnerError(f"cannot listen on {address}:{port}: {error.strerror}; see `ss -ltnp`") from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()


def serve_unix(path: Path, routes: Routes) -> None:
    """Serve on a socket file, replacing a stale one."""
    path.unlink(missing_ok=True)
    server = _UnixServer(str(path), _handler(routes))
    threading.Thread(target=server.serve_forever, name="debug", daemon=True).start()


def ask_unix(path: Path, request: str) -> str:
    """Ask a running runner. Raises RunnerError when none listens there."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(_SOCKET_TIMEOUT)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", request)
        answer = connection.getresponse()
        text = answer.read().decode()
    except OSError as error:
        raise RunnerError(f"no runner answers on {path}: {error.strerror}; is it started?") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise RunnerError(f"the runner refuses {request}: {text.strip()}")
    return text


def render_queues(queues: list[dict[str, Any]]) -> str:
    """Print the queues for people: one line a task, its error below."""
    lines: list[str] = []
    for queue in queues:
        state = f"{len(queue['tasks'])} tasks" if queue["tasks"] else "empty"
        lines.append(f"Queue '{queue['queue']}': {state}")
        for index, task in enumerate(queue["tasks"], start=1):
            failed = f", failures {task['failures']}, retry in {task['retryInSeconds']} s" if task["failures"] else ""
            lines.append(f"  {index}. {task['task']}{failed}")
            lines += [f"       {line}" for line in task["error"].splitlines() if line.strip()]
    return "\n".join(lines) + "\n"


def queues_json(queues: list[dict[str, Any]]) -> str:
    """Print the queues for programs."""
    return json.dumps(queues) + "\n"
