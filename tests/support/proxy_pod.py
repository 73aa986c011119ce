# SPDX-License-Identifier: Apache-2.0
"""The proxy pod without a cluster: the two shipped images, unpacked and run as their containers would be.

Each runs in a mount namespace of its own with a read-only root, as user 64535, and shares the folder
/run/registry-proxy, the network and the process namespace with the other. Needs root.
"""

import base64
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from box.images import ImageSet
from box.registries.tls import ServerCertificate, issue_server_certificate

PROXY_HOST = "registry.d8-system.svc"
USER_ID = 64535
_START_SECONDS = 20.0
# $1 root, $2 state, $3 mounted Secrets, then the command. Only this process sees the mounts.
_CONTAINER = """
set -e
mount --bind "$1" "$1"
mount --rbind /proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/run/registry-proxy"
mount --bind "$3" "$1/etc/registry-proxy"
for file in resolv.conf hosts nsswitch.conf; do mount --bind "/etc/$file" "$1/etc/$file"; done
mount -o remount,ro,bind "$1"
root=$1
shift 3
exec chroot --userspec=64535:64535 "$root" "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The first error code of an OCI error."""
        return str(json.loads(self.body)["errors"][0]["code"])

    @property
    def message(self) -> str:
        """The first message of an OCI error."""
        return str(json.loads(self.body)["errors"][0]["message"])


def unpack_image(image_set: ImageSet, name: str, target: Path) -> dict[str, Any]:
    """Unpack an image of module `registry` into a folder and return its config."""
    blobs = image_set.storage / "docker/registry/v2/blobs/sha256"

    def blob(digest: str) -> bytes:
        hexadecimal = digest.removeprefix("sha256:")
        return (blobs / hexadecimal[:2] / hexadecimal / "data").read_bytes()

    manifest = json.loads(blob(image_set.digest("registry", name)))
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=BytesIO(blob(layer["digest"])), mode="r:gz") as archive:
            archive.extractall(target, filter="tar")
    for folder in ("proc", "dev", "run/registry-proxy", "etc/registry-proxy"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    for file in ("resolv.conf", "hosts", "nsswitch.conf"):
        (target / "etc" / file).touch()
    config: dict[str, Any] = json.loads(blob(manifest["config"]["digest"]))["config"]
    return config


def find_free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody has now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def await_true(
    condition: Callable[[], bool],
    what: Callable[[], str] = lambda: "it did not come about in time",
    seconds: float = _START_SECONDS,
) -> None:
    """Wait for a condition; fails with what was seen last."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


class ProxyPod:
    """One pod of the proxy: write its Secrets, start it, ask it, end it."""

    def __init__(self, image_set: ImageSet, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.secrets = folder / "secrets"
        self.state.mkdir(parents=True)
        os.chown(self.state, USER_ID, USER_ID)
        self.certificate: ServerCertificate = issue_server_certificate(PROXY_HOST, ["127.0.0.1"])
        self.port, self.status_port, auth_port, generation_port = find_free_ports(4)
        self._environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "REGISTRY_PROXY_PORT": str(self.port),
            "REGISTRY_STATUS_PORT": str(self.status_port),
            "REGISTRY_AUTH_PORT": str(auth_port),
            "REGISTRY_GENERATION_PORT": str(generation_port),
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}
        for container, image in (("proxy", "inclusterProxy"), ("auth", "inclusterProxyAuth")):
            config = unpack_image(image_set, image, folder / container)
            assert config["User"] == f"{USER_ID}:{USER_ID}"
            self._commands[container] = config["Entrypoint"]
        tls = self.certificate
        self.write_secret(
            "tls", {"tls.crt": tls.certificate.decode(), "tls.key": tls.key.decode(), "ca.crt": tls.ca.decode()}
        )

    def write_secret(self, name: str, files: Mapping[str, str]) -> None:
        """Replace a mounted Secret as the kubelet does: a new folder, then the link `..data` at once."""
        mounted = self.secrets / name
        mounted.mkdir(parents=True, exist_ok=True)
        version = f"..{time.monotonic_ns()}"
        (mounted / version).mkdir()
        for file, content in files.items():
            path = mounted / version / file
            path.write_text(content, encoding="utf-8")
            os.chown(path, 0, USER_ID)
            path.chmod(0o440)
            if not (mounted / file).is_symlink():
                (mounted / file).symlink_to(f"..data/{file}")
        (mounted / "..data_tmp").symlink_to(version)
        (mounted / "..data_tmp").rename(mounted / "..data")

    def set_upstream(self, generation: str, host: str, **fields: str) -> None:
        """Write the upstream's Secret; every field has the default of INTERFACES.md's example or is empty."""
        upstream = {"scheme": "https", "path": "/deckhouse/ee", "ca": "", "username": "", "password": "", **fields}
        self.write_secret(
            "upstream", {"upstream.json": json.dumps({"generation": generation, "host": host, **upstream})}
        )

    def set_users(self, generation: str, users: Mapping[str, str], *, anonymous: bool = False) -> None:
        """Write the users' Secret."""
        entries = [{"username": name, "password": password} for name, password in users.items()]
        content = {"generation": generation, "anonymous": anonymous, "users": entries}
        self.write_secret("users", {"users.json": json.dumps(content)})

    def start(self, container: str) -> None:
        """Start `proxy` or `auth`."""
        with self.log_path(container).open("ab") as log:
            os.fchown(log.fileno(), USER_ID, USER_ID)
            shell = ["sh", "-c", _CONTAINER, "sh", str(self.folder / container), str(self.state), str(self.secrets)]
            self._processes[container] = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", *shell, *self._commands[container]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def stop(self, container: str, number: signal.Signals, seconds: float = 10.0) -> int:
        """Signal a container's first process and return its exit status."""
        process = self._processes.pop(container)
        process.send_signal(number)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            # The session was made by start(): nobody else is in it.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise

    def kill(self, container: str) -> None:
        """Kill a container with all its processes, if it runs."""
        if container in self._processes:
            process = self._processes.pop(container)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """End whatever runs."""
        for container in ("proxy", "auth"):
            self.kill(container)

    def log_path(self, container: str) -> Path:
        """Return where a container's output goes."""
        return self.folder / f"{container}.log"

    def logs(self) -> str:
        """Return the output of both containers."""
        paths = [self.log_path(container) for container in ("auth", "proxy")]
        return "\n".join(path.read_text(encoding="utf-8") for path in paths if path.exists())

    def status(self) -> dict[str, Any]:
        """Ask GET /status; an empty dict as long as nobody answers."""
        try:
            content: dict[str, Any] = json.loads(self.ask_status("/status").body)
        except (OSError, http.client.HTTPException):
            return {}
        return content

    def ask_status(self, path: str) -> Response:
        """Ask the status port."""
        return _read(http.client.HTTPConnection("127.0.0.1", self.status_port, timeout=5), "GET", path, {})

    def await_ready(self, generation: str) -> None:
        """Wait until nginx runs a generation."""
        wanted = {"ready": True, "nginxGeneration": generation, "upstreamGeneration": generation}
        await_true(
            lambda: {**self.status(), **wanted} == self.status() != {}, lambda: f"{self.status()}\n{self.logs()}"
        )

    def connect(self) -> http.client.HTTPSConnection:
        """Open a connection as a client does, the name and certificate verified."""
        context = ssl.create_default_context(cadata=self.certificate.ca.decode())
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        connection.connect()
        return connection

    def ask(
        self, path: str, login: str = "", method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Response:
        """Ask the proxy; `login` is `user:password`, header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | basic(login)
        return _read(self.connect(), method, path, sent, body)


def basic(login: str) -> dict[str, str]:
    """Return the Authorization header for `user:password`, nothing for an empty one."""
    return {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}


def _read(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> Response:
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        return Response(status=response.status, headers=dict(response.getheaders()), body=response.read())
    finally:
        connection.close()
