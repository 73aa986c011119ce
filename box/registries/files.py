# SPDX-License-Identifier: Apache-2.0
"""Where a registry keeps what it runs on and what others read."""

import os
from dataclasses import dataclass
from pathlib import Path

from box.registries.tls import Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFiles:
    """Paths in the folder of one registry; the folder is named as the registry."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The CA certificate (PEM) that its clients trust."""
        return self.folder / "ca.crt"

    @property
    def accounts(self) -> Path:
        """All accounts with their passwords, mode 0600."""
        return self.folder / "accounts.json"

    @property
    def accounts_before(self) -> Path:
        """The accounts as they were before the fault `password`."""
        return self.folder / "accounts.before-fault.json"

    @property
    def htpasswd(self) -> Path:
        """Hashes of the valid passwords, for distribution."""
        return self.folder / "htpasswd"

    @property
    def journal(self) -> Path:
        """Who asked for what; see box/registries/journal.py."""
        return self.folder / "requests.journal"

    @property
    def store_journal(self) -> Path:
        """The same of its object store."""
        return self.folder / "store.journal"

    @property
    def log(self) -> Path:
        """What distribution and the front say."""
        return self.folder / "registry.log"

    @property
    def storage(self) -> Path:
        """The content, in distribution's layout; blobs are shared with the cache and must not be changed in place."""
        return self.folder / "storage"

    @property
    def backend(self) -> Path:
        """Unix socket of distribution."""
        return self.folder / "backend.sock"

    @property
    def control(self) -> Path:
        """Unix socket by which the front is told its faults."""
        return self.folder / "control.sock"

    @property
    def descriptor(self) -> Path:
        """The registry's description, for the front's process."""
        return self.folder / "registry.json"

    @property
    def signing_key(self) -> Path:
        """Key of the token server and of signed URLs."""
        return self.folder / "signing.key"

    @property
    def jwks(self) -> Path:
        """Its public half, for distribution."""
        return self.folder / "jwks.json"

    @property
    def salt(self) -> Path:
        """Makes credentials in journals comparable within one box only; shared by its registries."""
        return self.folder.parent / "journal.salt"

    def certificate(self, kind: Certificate) -> Path:
        """Certificate chain and key in one file, mode 0600."""
        return self.folder / f"server-{kind}.pem"

    def blob(self, digest: str) -> Path:
        """File of a blob or manifest."""
        algorithm, _, text = digest.partition(":")
        return self.storage / "docker/registry/v2/blobs" / algorithm / text[:2] / text / "data"


def write_private(path: Path, content: bytes) -> None:
    """Replace a file by one that only root reads, in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.rename(path)
