# SPDX-License-Identifier: Apache-2.0
"""Registry A of the box: Debian's docker-registry (distribution) with TLS and Basic authentication, read-only.

It runs in a network namespace of its own, on a copy of the image set's storage, and writes the JSON log from which
the demo counts pulls (box/registrylog.py). The log level is `debug`: only there distribution names the user of a
request that went well.
"""

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt

from box.errors import BoxError
from box.images import ImageSet
from box.images.debian import Report, fetch_packages
from box.registry_tls import issue_server_certificate

HOST = "registry-a.box.test"
ADDRESS = "10.111.0.100"
PORT = 443
USER = "platform-a"
_START_SECONDS = 15

# The registry outlives whoever started it; a dropped Popen would complain about that.
_started: list["subprocess.Popen[bytes]"] = []


class RegistryError(BoxError):
    """The registry did not come up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFiles:
    """Where the registry of one run keeps what others read."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The CA certificate (PEM) that its clients trust."""
        return self.folder / "ca.crt"

    @property
    def credentials(self) -> Path:
        """JSON with `username` and `password`, mode 0600."""
        return self.folder / "credentials.json"

    @property
    def log(self) -> Path:
        """JSON lines of distribution, see box/registrylog.py."""
        return self.folder / "registry.log"

    @property
    def storage(self) -> Path:
        """This run's own copy of the image set's storage; tests may break it."""
        return self.folder / "storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client of the registry logs in with."""

    username: str
    password: str = field(repr=False)


def registry_files(run: Path, name: str = "registry-a") -> RegistryFiles:
    """Return the paths of a registry below the run folder."""
    return RegistryFiles(folder=run / name)


def read_credentials(run: Path, name: str = "registry-a") -> Credentials:
    """Read what `prepare` wrote."""
    content = json.loads(registry_files(run, name).credentials.read_text(encoding="utf-8"))
    return Credentials(username=content["username"], password=content["password"])


def fetch_binary(cache: Path, report: Report) -> Path:
    """Return the docker-registry binary from Debian's package, fetching it into the cache first if need be."""
    return fetch_packages(cache, ["docker-registry"], report) / "root/usr/bin/docker-registry"


def start(
    run: Path,
    cache: Path,
    netns: str,
    image_set: ImageSet,
    *,
    name: str = "registry-a",
    host: str = HOST,
    address: str = ADDRESS,
    port: int = PORT,
    report: Report = print,
) -> int:
    """Start the registry in network namespace `netns` (empty: the present one) and return its process id.

    The address must be on an interface of that namespace already. Certificates, credentials and storage that an
    earlier start of the same run made are kept. Returns when it listens; raises RegistryError with the end of its log.
    """
    binary = fetch_binary(cache, report)
    files = registry_files(run, name)
    _prepare(files, image_set, host=host, addresses=[address], listen=f"{address}:{port}")
    command = [str(binary), "serve", str(files.folder / "config.yml")]
    if netns:
        command = ["nsenter", f"--net=/run/netns/{netns}", *command]
    offset = files.log.stat().st_size if files.log.exists() else 0
    with files.log.open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env={"PATH": os.defpath}
        )
    _started.append(process)
    (files.folder / "pid").write_text(f"{process.pid}\n", encoding="ascii")
    _await_listening(process, files.log, offset)
    return process.pid


def _prepare(files: RegistryFiles, image_set: ImageSet, *, host: str, addresses: Sequence[str], listen: str) -> None:
    """Make what is not there yet: certificates, credentials, storage; and write the configuration."""
    files.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    if not files.credentials.exists():
        _write_credentials(files, Credentials(username=USER, password=secrets.token_urlsafe(24)))
    if not files.ca.exists():
        issued = issue_server_certificate(host, addresses)
        _write_private(files.folder / "server.key", issued.key)
        (files.folder / "server.crt").write_bytes(issued.certificate)
        files.ca.write_bytes(issued.ca)
    if not files.storage.exists():
        copying = files.folder / ".storage"
        shutil.rmtree(copying, ignore_errors=True)
        shutil.copytree(image_set.storage, copying)
        copying.rename(files.storage)
    (files.folder / "config.yml").write_text(json.dumps(_build_config(files, listen), indent=1), encoding="utf-8")


def _build_config(files: RegistryFiles, listen: str) -> dict[str, object]:
    """Return distribution's configuration (JSON is YAML)."""
    return {
        "version": "0.1",
        "log": {"level": "debug", "formatter": "json", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(files.storage)},
            "maintenance": {"readonly": {"enabled": True}, "uploadpurging": {"enabled": False}},
        },
        "auth": {"htpasswd": {"realm": "registry-a", "path": str(files.folder / "htpasswd")}},
        "http": {
            "addr": listen,
            "secret": secrets.token_hex(16),
            "tls": {
                "certificate": str(files.folder / "server.crt"),
                "key": str(files.folder / "server.key"),
                "minimumtls": "tls1.2",
            },
        },
    }


def _write_credentials(files: RegistryFiles, credentials: Credentials) -> None:
    # The password is random and long, so the cheapest hash that distribution accepts is enough; it pays each request.
    hashed = bcrypt.hashpw(credentials.password.encode(), bcrypt.gensalt(4)).decode()
    _write_private(files.folder / "htpasswd", f"{credentials.username}:{hashed}\n".encode())
    content = {"username": credentials.username, "password": credentials.password}
    _write_private(files.credentials, json.dumps(content).encode() + b"\n")


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _await_listening(process: "subprocess.Popen[bytes]", log: Path, offset: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        written = log.read_bytes()[offset:]
        if b'"msg":"listening on ' in written:
            # It logs the line when the socket is bound; a bind that failed ends the process instead.
            return
        if process.poll() is not None:
            tail = written.decode(errors="replace").strip().splitlines()[-3:]
            raise RegistryError(f"the registry ended with status {process.returncode}; {log}: {' | '.join(tail)}")
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise RegistryError(f"the registry does not listen after {_START_SECONDS} s; see {log}")
