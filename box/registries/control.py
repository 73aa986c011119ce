# SPDX-License-Identifier: Apache-2.0
"""Tell a running front its faults; they are in effect when the call returns."""

import http.client
import json
import socket
from typing import Any

from box.errors import BoxError
from box.registries.faults import Faults, build_document, read_document
from box.registries.files import RegistryFiles

_SECONDS = 10.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("front", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def set_faults(files: RegistryFiles, faults: Faults) -> None:
    """Replace the faults of a registry; raises BoxError when it does not run."""
    _ask(files, "PUT", build_document(faults))


def fetch_faults(files: RegistryFiles) -> Faults:
    """The faults of a registry now; raises BoxError when it does not run."""
    return read_document(_ask(files, "GET", None))


def is_ready(files: RegistryFiles) -> bool:
    """Whether the front answers."""
    try:
        fetch_faults(files)
    except BoxError:
        return False
    return True


def _ask(files: RegistryFiles, method: str, body: dict[str, Any] | None) -> dict[str, Any]:
    name = files.folder.name
    connection = _UnixConnection(str(files.control))
    try:
        connection.request(method, "/faults", json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise BoxError(f"{name} does not run ({error!r}); start it: python -m box registry start {name}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise BoxError(f"{name}: its front answered {answer.status} to its faults: {text[:300]}; see {files.log}")
    document: dict[str, Any] = json.loads(text)
    return document
