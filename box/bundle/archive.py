# SPDX-License-Identifier: Apache-2.0
"""A tar whose bytes depend on its entries alone."""

import hashlib
import io
import itertools
import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entry:
    """One file of the bundle; `name` is its path in the module."""

    name: str
    content: bytes
    executable: bool = False


def write_tar(entries: Iterable[Entry], target: Path) -> str:
    """Write the tar by rename and return its sha256 in hex; two entries of one name are a defect: ValueError."""
    ordered = sorted(entries, key=lambda entry: entry.name)
    for one, two in itertools.pairwise(ordered):
        if one.name == two.name:
            raise ValueError(f"{one.name} stands twice in the bundle")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with tarfile.open(aside, "w", format=tarfile.USTAR_FORMAT) as tar:
            for entry in ordered:
                tar.addfile(_head(entry), io.BytesIO(entry.content))
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(source: Path, folder: Path) -> None:
    """Unpack a bundle into an empty folder, modes as in the tar; a name that leaves the folder is refused."""
    with tarfile.open(source) as tar:
        tar.extractall(folder, filter="data")


def _head(entry: Entry) -> tarfile.TarInfo:
    head = tarfile.TarInfo(entry.name)  # its own defaults: time 0, owner 0, no names
    head.size = len(entry.content)
    head.mode = 0o755 if entry.executable else 0o644
    return head
