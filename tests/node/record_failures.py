# SPDX-License-Identifier: Apache-2.0
"""Record what ctr says when a registry fails: every way, both generations, with the commands of registry-node's proof.

Run as a program with a generation as argument, inside namespaces of its own, it prints a table: the failure, the class
that it is to have, the command, its exit status and its standard error (times and ports of clients masked). `clock`
says by how many seconds the node's clock is ahead of the API server's.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from d8registry.adapters.certificates import issue_authority, issue_certificate
from d8registry.containerd import build_hosts_folder
from d8registry.model.cluster import FailureClass
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials, Endpoint, Source
from d8registry.model.secret import Secret

from box.images.oci import File, Process, build_image, build_layer
from tests.support import isolated
from tests.support.containerd import Containerd, Generation, run_containerd
from tests.support.pull_registry import Auth, Fault, PullRegistry, serve

USER, PASSWORD = "puller", "pull+er/s3cret"
_NOW = datetime.now(UTC)
_AUTHORITY, _STRANGER = issue_authority(_NOW), issue_authority(_NOW, "Somebody else")
_NAMES = {
    "basic.test": "127.0.0.2",
    "bearer.test": "127.0.0.3",
    "expired.test": "127.0.0.4",
    "future.test": "127.0.0.5",
    "other-name.test": "127.0.0.6",
    "plain.test": "127.0.0.7",
    "silent.test": "127.0.0.8",
    "refused.test": "127.0.0.9",
    "reset.test": "127.0.0.10",
    "hole.test": isolated.BLACK_HOLE,
    "no-route.test": "10.98.0.1",
    "no-network.test": "10.97.0.1",
}
_OBJECT, _BLOB, _PULL = "fetch-object", "fetch-blob", "pull"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One way to fail; `authority` is trusted: ours, a stranger's, none, or a file without a certificate."""

    name: str
    wanted: FailureClass
    host: str = "basic.test"
    faults: Mapping[str, Fault] = field(default_factory=dict)
    commands: tuple[str, ...] = (_OBJECT, _PULL)
    user: str = USER
    password: str = PASSWORD
    authority: str = "ours"
    seconds: float = 60
    clock: int = 0
    missing: bool = False


def _status(code: int, body: str = "", **headers: str) -> Fault:
    return Fault(status=code, body=body, headers=tuple(headers.items()))


def _error(code: str, message: str) -> str:
    return json.dumps({"errors": [{"code": code, "message": message}]})


def list_failures() -> Iterator[Failure]:
    """Every failure that a user can meet, in the order of a connection: name, dial, TLS, login, content."""
    c = FailureClass
    yield Failure(name="no such name", wanted=c.DNS, host="unknown.test")
    yield Failure(name="the DNS server fails", wanted=c.DNS, host=isolated.BROKEN_NAME)
    yield Failure(name="the DNS server does not answer", wanted=c.DNS, host=isolated.LOST_NAME)
    yield Failure(name="connection refused", wanted=c.TCP, host="refused.test")
    # A pull on 2.x dials twice, each time for 30 s: there the deadline comes first.
    yield Failure(name="packets are lost", wanted=c.TCP, host="hole.test", commands=(_OBJECT,))
    yield Failure(name="no route to the host", wanted=c.TCP, host="no-route.test")
    yield Failure(name="no route to the network", wanted=c.TCP, host="no-network.test")
    yield Failure(name="the connection is reset", wanted=c.TCP, host="reset.test")
    yield Failure(name="nothing is said after accept", wanted=c.TIMEOUT, host="silent.test")
    yield Failure(name="packets are lost, deadline first", wanted=c.TIMEOUT, host="hole.test", seconds=1)

    yield Failure(name="another authority", wanted=c.TLS, authority="stranger")
    yield Failure(name="no authority given", wanted=c.TLS, authority="none")
    yield Failure(name="a CA file without a certificate", wanted=c.TLS, authority="broken")
    yield Failure(name="a certificate for another name", wanted=c.TLS, host="other-name.test")
    yield Failure(name="HTTP where HTTPS was said", wanted=c.TLS, host="plain.test")
    yield Failure(name="an expired certificate", wanted=c.TLS, host="expired.test")
    yield Failure(
        name="an expired certificate, and the node's clock is ahead", wanted=c.CLOCK, host="expired.test", clock=9000
    )
    yield Failure(name="a certificate that is not valid yet", wanted=c.TLS, host="future.test")
    yield Failure(
        name="a certificate that is not valid yet, and the node's clock is behind",
        wanted=c.CLOCK,
        host="future.test",
        clock=-9000,
    )

    yield Failure(name="a wrong password (Basic)", wanted=c.AUTH, password="wrong")
    yield Failure(name="no credentials (Basic)", wanted=c.AUTH, user="", password="")
    yield Failure(name="a wrong password (Bearer)", wanted=c.AUTH, host="bearer.test", password="wrong")
    yield Failure(name="no credentials (Bearer)", wanted=c.AUTH, host="bearer.test", user="", password="")
    for place, kind, command in (("manifest", "manifests", _OBJECT), ("blob", "blobs", _BLOB)):
        for name, wanted, fault in _list_answers():
            faults = {kind: fault}
            commands = (command, _PULL)
            yield Failure(name=f"{name}: {place}", wanted=wanted, faults=faults, commands=commands)
    for code, wanted in ((403, c.AUTH), (429, c.RATE_LIMITED), (500, c.SERVER), (503, c.SERVER)):
        faults = {"token": _status(code)}
        yield Failure(name=f"the token server answers {code}", wanted=wanted, host="bearer.test", faults=faults)
    yield Failure(name="the image is not there", wanted=c.NOT_FOUND, missing=True)
    yield Failure(name="the image is not there (Bearer)", wanted=c.NOT_FOUND, host="bearer.test", missing=True)
    for place, kind, commands in (("manifest", "manifests", (_OBJECT, _PULL)), ("blob", "blobs", (_BLOB, _PULL))):
        hang, cut, wrong = {kind: Fault(hang=60)}, {kind: Fault(cut=20)}, {kind: Fault(wrong_bytes=True)}
        yield Failure(name=f"a hang: {place}", wanted=c.TIMEOUT, faults=hang, commands=commands, seconds=2)
        yield Failure(name=f"cut short: {place}", wanted=c.OTHER, faults=cut, commands=commands)
        # For the fetch commands it is registry-node that compares the digest.
        yield Failure(name=f"wrong bytes: {place}", wanted=c.OTHER, faults=wrong, commands=(_PULL,))


def _list_answers() -> Iterator[tuple[str, FailureClass, Fault]]:
    c = FailureClass
    yield "403", c.AUTH, _status(403, _error("DENIED", "requested access to the resource is denied"))
    yield "403 without a body", c.AUTH, _status(403)
    yield "404", c.NOT_FOUND, _status(404, _error("MANIFEST_UNKNOWN", "manifest unknown"))
    yield "404 for the repository", c.NOT_FOUND, _status(404, _error("NAME_UNKNOWN", "repository name not known"))
    retry = (("Retry-After", "1"),)
    yield "429", c.RATE_LIMITED, Fault(status=429, headers=retry, body=_error("TOOMANYREQUESTS", "slow down"))
    yield "429 without a body", c.RATE_LIMITED, Fault(status=429, headers=retry)
    for code in (500, 502, 503, 504):
        yield str(code), c.SERVER, _status(code)


class Recorder:
    """Runs ctr against the registries and keeps what it said."""

    def __init__(self, containerd: Containerd, registries: Mapping[str, PullRegistry], folder: Path) -> None:
        self._containerd = containerd
        self._registries = registries
        self._folder = folder
        self._staged = 0

    def record(self, failure: Failure) -> Iterator[dict[str, object]]:
        """Run each command of the failure."""
        for command in failure.commands:
            content = File(content=f"{failure.name} {command}".encode())
            image = build_image([build_layer({"a": content})], Process(entrypoint=("/a",)))
            for registry in self._registries.values():
                registry.reset()
                if not failure.missing:
                    registry.add(image)
                if registry.name == failure.host:
                    registry.faults = dict(failure.faults)
            reference = FIXED_BASE.build_reference(image.manifest.digest)
            arguments = {
                _OBJECT: ("content", "fetch-object", "--hosts-dir", self.stage(failure), reference),
                _BLOB: ("content", "fetch-blob", "--hosts-dir", self.stage(failure), reference, image.config.digest),
                _PULL: ("images", "pull", "--hosts-dir", self.stage(failure), reference),
            }
            done = self._containerd.ctr(*arguments[command], seconds=failure.seconds)
            yield build_row(failure.name, failure.wanted, command, done, failure.clock)

    def stage(self, failure: Failure) -> str:
        """Write the folder that a proof would stage; returns it."""
        pem = {"ours": _AUTHORITY.pem, "stranger": _STRANGER.pem, "none": "", "broken": "not a certificate"}
        login = Credentials(username=failure.user, password=Secret(failure.password))
        endpoint = Endpoint(host=failure.host, path="/deckhouse/ee", ca=pem[failure.authority], credentials=login)
        folder = build_hosts_folder([Source(base=FIXED_BASE, endpoint=endpoint)], folder=FIXED_HOST)
        self._staged += 1
        root = self._folder / f"staged-{self._staged}"
        (root / folder.name).mkdir(parents=True)
        for entry in folder.files:
            (root / folder.name / entry.name).write_text(entry.content)
        return str(root)


def build_row(
    name: str, wanted: FailureClass, command: str, done: "subprocess.CompletedProcess[str]", clock: int = 0
) -> dict[str, object]:
    """Build a line of the table; raises AssertionError where the command did not fail."""
    assert done.returncode, f"{name}: {command} went well"
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "2026-11-24T12:00:00Z", done.stderr)
    text = re.sub(r"(127\.0\.0\.1|10\.99\.0\.1):\d+->", r"\1:40000->", text)
    text = re.sub(r"/mnt/[^ \"]*/", "/STAGED/", text)
    row: dict[str, object] = {"failure": name, "class": str(wanted), "command": command, "status": done.returncode}
    return {**row, "clock": clock, "stderr": text}


@contextmanager
def _listen(address: str, *, reset: bool) -> Iterator[None]:
    """Accept connections and say nothing, or reset them."""
    server = socket.create_server((address, 443))
    kept = []

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
            else:
                kept.append(client)

    threading.Thread(target=accept, daemon=True).start()
    yield
    server.close()


def _serve_all(stack: ExitStack, folder: Path) -> dict[str, PullRegistry]:
    issued = {"expired.test": _NOW - timedelta(days=366), "future.test": _NOW + timedelta(days=2)}
    registries = {}
    for name in ("basic.test", "bearer.test", "expired.test", "future.test", "other-name.test", "plain.test"):
        chain: str | None = None
        if name != "plain.test":
            pem, key = issue_certificate(_AUTHORITY, [name.replace("other-", "")], issued.get(name, _NOW))
            chain = str(folder / f"{name}.pem")
            Path(chain).write_text(key.value + pem)
        auth = Auth.BEARER if name == "bearer.test" else Auth.BASIC
        registries[name] = PullRegistry(name=name, auth=auth, accounts={USER: PASSWORD})
        stack.enter_context(serve(registries[name], _NAMES[name], chain))
    stack.enter_context(_listen(_NAMES["silent.test"], reset=False))
    stack.enter_context(_listen(_NAMES["reset.test"], reset=True))
    return registries


def _record_disk(
    generation: Generation, folder: Path, registries: Mapping[str, PullRegistry]
) -> Iterator[dict[str, object]]:
    """A pull onto a full disk."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "full", str(disk)], check=True)
    image = build_image([build_layer({"a": File(content=os.urandom(16 << 20))})], Process(entrypoint=("/a",)))
    with run_containerd(generation, folder / "full", root=disk) as containerd:
        registries["basic.test"].reset()
        registries["basic.test"].add(image)
        failure = Failure(name="a full disk", wanted=FailureClass.DISK)
        staged = Recorder(containerd, registries, folder / "full-staged").stage(failure)
        reference = FIXED_BASE.build_reference(image.manifest.digest)
        done = containerd.ctr("images", "pull", "--hosts-dir", staged, reference)
        yield build_row(failure.name, failure.wanted, _PULL, done)


def record(generation: Generation) -> list[dict[str, object]]:
    """Run every failure on one generation."""
    folder = isolated.enter(_NAMES)
    subprocess.run(["ip", "route", "add", "unreachable", "10.98.0.0/24"], check=True)
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        registries = _serve_all(stack, folder)
        with run_containerd(generation, folder / generation) as containerd:
            recorder = Recorder(containerd, registries, folder)
            for failure in list_failures():
                rows += recorder.record(failure)
        rows += _record_disk(generation, folder, registries)
    return rows


if __name__ == "__main__":
    sys.stdout.write(json.dumps(record(Generation(sys.argv[1])), indent=1, ensure_ascii=False) + "\n")
