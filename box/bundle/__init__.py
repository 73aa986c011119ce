# SPDX-License-Identifier: Apache-2.0
"""The module as it is shipped: one tar of chart, hooks, schemas, documentation and the Python that hooks import.

The same checkout gives the same bytes, on any machine and on any day: wheels are pinned by hash, entries are sorted and
carry neither times nor owners. The box runs what is in the tar, never the checkout.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from box.bundle.archive import Entry, unpack, write_tar
from box.bundle.contents import collect
from box.bundle.interpreter import collect_interpreter
from box.bundle.wheels import fetch_wheels
from box.layout import REPOSITORY

__all__ = ["Bundle", "Entry", "build_bundle", "collect", "collect_interpreter", "fetch_wheels", "unpack", "write_tar"]

SITECUSTOMIZE = REPOSITORY / "box" / "hook_sitecustomize.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle that was written: how many files, and the sha256 of the tar in hex."""

    files: int
    digest: str


def build_bundle(target: Path, say: Callable[[str], None], *, interpreter: bool = False) -> Bundle:
    """Write the bundle of the checkout; with `interpreter` it brings the Python that runs this. Raises BoxError."""
    wheels = fetch_wheels(say)
    entries = collect(REPOSITORY, wheels)
    if interpreter:
        with tempfile.TemporaryDirectory() as folder:
            for wheel in wheels:
                with ZipFile(wheel) as archive:
                    names = [name for name in archive.namelist() if name.endswith((".abi3.so", f"{_tag()}.so"))]
                    archive.extractall(folder, names)
            entries += collect_interpreter(SITECUSTOMIZE, sorted(Path(folder).rglob("*.so")))
    return Bundle(files=len(entries), digest=write_tar(entries, target))


def _tag() -> str:
    """Return the end of the names of compiled libraries for the Python that runs this."""
    import sysconfig

    return str(sysconfig.get_config_var("SOABI")).removeprefix("cpython-")
