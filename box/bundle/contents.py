# SPDX-License-Identifier: Apache-2.0
"""What goes into the bundle.

Under the platform only `lib/python/dist` of a module is put on hooks' `sys.path`, so the module's own package lies
there beside the libraries.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZipFile

from box.bundle.archive import Entry
from box.errors import BoxError

SHIPPED = (
    ".helmignore", "Chart.yaml", "LICENSE", "crds", "docs", "hooks", "module.yaml", "monitoring", "openapi", "oss.yaml",
    "templates",
)  # fmt: skip
"""Entries of the repository's root that make the module, as far as they are there."""

UNSHIPPED = (
    ".ci", ".dmtlint.yaml", ".git", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "README.md", "bench",
    "box", "dist", "images", "lib", "pyproject.toml", "requirements-dev.txt", "tests",
)  # fmt: skip
"""The others that are known. Of `lib` the package is taken; images are in the registry, named by digest."""

PACKAGE = Path("lib/python/d8registry")
LIBRARIES = "lib/python/dist"
_UNSHIPPED_FOLDERS = {"docs": {"internal"}}
_DROPPED_OF_WHEELS = ("RECORD", "WHEEL", "top_level.txt", "entry_points.txt")


def collect(repository: Path, wheels: Iterable[Path]) -> list[Entry]:
    """Return every file of the module in `repository`, with its libraries from `wheels`. Raises BoxError."""
    entries: list[Entry] = []
    for name in SHIPPED:
        path = repository / name
        if path.is_dir():
            entries += _read_folder(path, name, _UNSHIPPED_FOLDERS.get(name, set()))
        elif path.is_file():
            entries.append(_read_file(path, name))
    entries += _read_folder(repository / PACKAGE, f"{LIBRARIES}/{PACKAGE.name}", set())
    return entries + _read_wheels(sorted(wheels))


def _read_folder(folder: Path, prefix: str, unshipped: set[str]) -> Iterator[Entry]:
    for where, folders, files in os.walk(folder):
        here = Path(where)
        folders[:] = [name for name in folders if name != "__pycache__" and not (here == folder and name in unshipped)]
        for name in files:
            if not name.endswith(".pyc"):
                yield _read_file(here / name, f"{prefix}/{(here / name).relative_to(folder)}")


def _read_file(path: Path, name: str) -> Entry:
    if path.is_symlink():
        raise BoxError(f"{path} is a symbolic link; the platform follows none in a module, put the file there")
    return Entry(name=name, content=path.read_bytes(), executable=os.access(path, os.X_OK))


def _read_wheels(wheels: Iterable[Path]) -> list[Entry]:
    """Lay wheels over one another: those of one project for other Pythons differ in their compiled files only."""
    found: dict[str, Entry] = {}
    for wheel in wheels:
        with ZipFile(wheel) as archive:
            for info in archive.infolist():
                folder, _, last = info.filename.rpartition("/")
                if info.is_dir() or (folder.endswith(".dist-info") and last in _DROPPED_OF_WHEELS):
                    continue
                if ".data/" in info.filename:
                    raise BoxError(f"{wheel.name} holds {info.filename}, which only an installer can place")
                entry = Entry(name=f"{LIBRARIES}/{info.filename}", content=archive.read(info))
                if found.setdefault(entry.name, entry) != entry:
                    raise BoxError(f"{wheel.name} and another wheel differ in {info.filename}; pin them to one version")
    return list(found.values())
