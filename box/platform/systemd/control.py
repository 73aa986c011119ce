# SPDX-License-Identifier: Apache-2.0
"""The control socket: one JSON line asks, one JSON line answers."""

import json
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from box.platform.systemd.loop import Loop
from box.platform.systemd.verbs import Answer, Request

SOCKET = "run/systemd/standin.socket"
"""Not systemd's own /run/systemd/private: a real systemctl must not believe that systemd listens there."""

Serve = Callable[[Request, Callable[[Answer], None]], None]


def call_init(root: Path, request: Request) -> Answer:
    """Ask the init process below `root` and wait for its answer; OSError when none listens."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(root / SOCKET))
        connection.sendall(json.dumps(asdict(request)).encode() + b"\n")
        with connection.makefile("r", encoding="utf-8") as answers:
            line = answers.readline()
    if not line:
        raise ConnectionResetError("the init process ended before it answered")
    return Answer(**json.loads(line))


class ControlServer:
    """Accepts connections in the loop; a client that goes away is forgotten."""

    def __init__(self, root: Path, loop: Loop, serve: Serve) -> None:
        path = root / SOCKET
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_suffix(".new")
        made.unlink(missing_ok=True)
        self._loop = loop
        self._serve = serve
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(made))
        made.chmod(0o600)
        self._listener.listen(64)
        made.rename(path)  # whoever sees the name can connect
        loop.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        received = bytearray()

        def read() -> None:
            chunk = connection.recv(65536)
            received.extend(chunk)
            if chunk and not received.endswith(b"\n"):
                return
            self._loop.unwatch(connection.fileno())
            if not received.endswith(b"\n"):
                connection.close()
                return
            try:
                request = _parse_request(json.loads(received))
            except (ValueError, TypeError, KeyError) as error:
                _send(connection, Answer(status=1, err=f"not a request of this systemctl: {error}"))
                return
            self._serve(request, lambda answer: _send(connection, answer))

        self._loop.watch(connection.fileno(), read)


def _parse_request(raw: dict[str, Any]) -> Request:
    return Request(**{**raw, "units": tuple(raw["units"]), "properties": tuple(raw["properties"])})


def _send(connection: socket.socket, answer: Answer) -> None:
    with connection:
        try:
            connection.sendall(json.dumps(asdict(answer)).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return  # whoever asked did not wait
