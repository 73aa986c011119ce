# SPDX-License-Identifier: Apache-2.0
"""Walk a folder that others change meanwhile: what goes on the way is left out."""

import os
from collections.abc import Iterator
from pathlib import Path


def walk_folders(top: Path) -> Iterator[Path]:
    """Yield every folder below `top`, parents first; none where there is no such folder."""
    for parent, folders, _ in os.walk(top):
        folders.sort()
        yield from (Path(parent, name) for name in folders)


def walk_files(top: Path) -> Iterator[Path]:
    """Yield every file and link below `top`, folder by folder; it may be gone when it is opened."""
    for parent, folders, files in os.walk(top):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(files))
