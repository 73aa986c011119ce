# SPDX-License-Identifier: Apache-2.0
"""Start one registry: distribution and its front, in any folder and any network namespace, a box or none."""

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from box.errors import BoxError
from box.images import ImageSet
from box.images.debian import Report
from box.layout import NAME, REPOSITORY
from box.process import tail
from box.registries import accounts, control
from box.registries.catalogue import Login, Registry
from box.registries.content import fill_storage
from box.registries.distribution import build_command, build_config, fetch_debian
from box.registries.files import RegistryFiles, write_private
from box.registries.serve import write_descriptor
from box.registries.tls import issue_all
from box.registries.tokens import create_signing_key

_START_SECONDS = 20

# The registry outlives whoever started it; a dropped Popen would complain about that.
_started: list["subprocess.Popen[bytes]"] = []


class RegistryError(BoxError):
    """The registry did not come up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """What registries run on; `distribution` is needed for some of them only."""

    cache: Path
    image_set: ImageSet
    distribution: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The two processes of a registry."""

    files: RegistryFiles
    front: int
    backend: int

    def stop(self) -> None:
        """End both; for a registry that this very process started."""
        for pid in (self.front, self.backend):
            os.kill(pid, signal.SIGTERM)
        for each in _started:
            if each.pid in (self.front, self.backend):
                each.wait()


def start(registry: Registry, folder: Path, programs: Programs, report: Report, *, namespaces: bool = False) -> Running:
    """Start a registry in `folder` and return when it answers; with `namespaces`, in its network namespace of the box.

    Certificates, accounts and content that an earlier start made are kept. Raises RegistryError with the end of its
    log.
    """
    files = RegistryFiles(folder=folder)
    prepare(registry, files, programs, report, namespaces=namespaces)
    enter = ["nsenter", f"--net=/run/netns/{registry.namespace}", "--"] if namespaces else []
    for left in (files.backend, files.control):
        left.unlink(missing_ok=True)
    debian = fetch_debian(programs.cache, report)
    backend = _run(build_command(registry, files, debian, programs.distribution), files)
    front = _run([*enter, sys.executable, "-m", "box.registries.serve", str(folder)], files)
    deadline = time.monotonic() + _START_SECONDS
    while not (files.backend.exists() and control.is_ready(files)):
        ended = next((each for each in (backend, front) if each.poll() is not None), None)
        if ended or time.monotonic() > deadline:
            for each in (backend, front):
                each.kill()
                each.wait()
            what = f"ended with status {ended.returncode}" if ended else f"does not answer after {_START_SECONDS} s"
            raise RegistryError(f"{registry.name} {what}; see {files.log}:\n{tail(files.log)}")
        time.sleep(0.05)
    return Running(files=files, front=front.pid, backend=backend.pid)


def prepare(
    registry: Registry, files: RegistryFiles, programs: Programs, report: Report, *, namespaces: bool = False
) -> None:
    """Make what is not there yet: certificates, accounts, keys, content; and write the configuration."""
    files.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    if not files.accounts.exists():
        accounts.write_accounts(files, accounts.create_accounts(registry))
    if not files.ca.exists():
        write_certificates(registry, files)
    if not files.signing_key.exists():
        key, public = create_signing_key()
        files.jwks.write_text(json.dumps(public) + "\n", encoding="utf-8")
        write_private(files.signing_key, key)
    if not files.storage.exists():
        fill_storage(files.storage, registry, programs.image_set, programs.cache, report)
    write_descriptor(files, registry, namespaces=namespaces)
    config = build_config(registry, files)
    (files.folder / "config.yml").write_text(json.dumps(config, indent=1), encoding="utf-8")


def write_certificates(registry: Registry, files: RegistryFiles) -> None:
    """Write the CA and every server certificate of a registry."""
    hosts = [registry.host]
    hosts += [registry.token_host] if registry.login is Login.TOKEN else []
    hosts += [registry.store] if registry.store else []
    addresses = sorted({registry.address, registry.store_address} - {""})
    issued = issue_all(hosts, addresses, datetime.datetime.now(datetime.UTC))
    for kind, one in issued.items():
        write_private(files.certificate(kind), one.certificate + one.key)
    # Written last: its presence says that all of them are there.
    files.ca.write_bytes(next(iter(issued.values())).ca)


def _run(command: list[str], files: RegistryFiles) -> "subprocess.Popen[bytes]":
    # The front writes into folders of root only, so its byte code stays out of the repository.
    environment = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "BOX_NAME": NAME}
    with files.log.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment,
            cwd=REPOSITORY,
        )
    _started.append(process)
    return process
