# SPDX-License-Identifier: Apache-2.0
"""Debian packages, extracted into folders of the cache without installing anything.

The mirror and the suite are those of the machine's own apt configuration. A folder is keyed by what was asked for,
not by the versions that the mirror has today: a warm cache never asks the mirror. Remove the folder to get newer
packages.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from box.errors import BoxError

Report = Callable[[str], None]

# Raise it when the way of extracting changes.
_RECIPE = "1"
_APT_OPTIONS = ("-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1")


class PackagesError(BoxError):
    """Packages could not be fetched or unpacked."""


def fetch_packages(cache: Path, packages: Sequence[str], report: Report, *, dependencies: bool = False) -> Path:
    """Return a folder with `root/` (what the packages contain) and `packages.txt` (name, version and hash of each).

    With `dependencies`, everything that the packages depend on is there as well, as on a machine with nothing
    installed; recommended packages never are. No package script runs. Raises PackagesError.
    """
    wanted = sorted(packages)
    key = hashlib.sha256("\n".join([_RECIPE, str(dependencies), *wanted]).encode()).hexdigest()[:12]
    target = cache / "debian" / f"{wanted[0]}-{key}"
    if target.is_dir():
        return target
    report(f"fetching Debian packages: {' '.join(wanted)}{' with dependencies' if dependencies else ''}")
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        archives = building / "archives"
        (archives / "partial").mkdir(parents=True)
        _download(archives, wanted, dependencies=dependencies)
        _unpack(archives, building)
        shutil.rmtree(archives)
        building.chmod(0o755)
        _publish(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _download(archives: Path, packages: Sequence[str], *, dependencies: bool) -> None:
    if not dependencies:
        _run(["apt-get", "download", *_APT_OPTIONS, *packages], cwd=archives)
        return
    # An empty list of installed packages makes apt fetch every dependency, as for a machine that has nothing yet.
    status = archives / "partial" / "status"
    status.touch()
    options = ["-o", f"Dir::State::status={status}", "-o", f"Dir::Cache::archives={archives}", *_APT_OPTIONS]
    _run(["apt-get", "install", "--download-only", "-y", "--no-install-recommends", *options, *packages])


def _unpack(archives: Path, building: Path) -> None:
    root = building / "root"
    root.mkdir(mode=0o755)
    lines: list[str] = []
    for package in sorted(archives.glob("*.deb")):
        lines.append(f"{package.name} sha256:{hashlib.sha256(package.read_bytes()).hexdigest()}")
        _run(["dpkg-deb", "--extract", str(package), str(root)])
    if not lines:
        raise PackagesError("apt-get fetched no package; run `apt-get update` and try again")
    (building / "packages.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _publish(building: Path, target: Path) -> None:
    """Move a finished folder into place; another builder that was faster wins."""
    try:
        building.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _run(command: list[str], cwd: Path | None = None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        detail = (done.stderr or done.stdout).strip()
        raise PackagesError(f"`{' '.join(command)}` failed: {detail}\nIf a package is unknown, run `apt-get update`.")
