# SPDX-License-Identifier: Apache-2.0
"""The libraries that hooks import, as wheels: pinned by version and hash, fetched once into the cache.

Compiled ones are taken for each Python that the module is to run on; a Python without a compiled part of PyYAML uses
its pure one, which is slower.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from box.artifact import Artifact, building_lock, hash_inputs, publish, run_logged
from box.errors import BoxError
from box.layout import REPOSITORY, cache_folder

REQUIREMENTS = REPOSITORY / "lib" / "python" / "requirements.txt"
LOCK = REPOSITORY / "lib" / "python" / "requirements.lock"
PYTHONS = ("3.11", "3.12", "3.13")
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_HEAD = """\
# What is in lib/python/dist of the bundle: requirements.txt with all that it needs, a hash for each wheel that may be
# taken. Written by: python -m box bundle --relock
"""


def fetch_wheels(say: Callable[[str], None], cache: Path | None = None) -> list[Path]:
    """Return the wheels of the lock file, fetched from the package index when the cache lacks them."""
    cache = cache or cache_folder()
    key = hash_inputs(PYTHONS + _PLATFORMS, [LOCK])
    log = cache / "logs" / "wheels.log"
    artifact = Artifact(name="wheels", version="1", key=key, cold_seconds=20, build=partial(_download, log))
    folder = artifact.folder(cache)
    if not folder.is_dir():
        with building_lock(cache, lambda: say(f"waiting for another build in {cache}")):
            if not folder.is_dir():
                say("fetching the module's Python libraries, up to 20 s")
                publish(artifact, cache)
    return sorted(folder.glob("*.whl"))


def write_lock() -> int:
    """Write the lock file anew from requirements.txt; returns the number of pinned projects."""
    pinned: dict[str, set[str]] = {}
    for python in PYTHONS:
        for name, digest in _resolve(python):
            pinned.setdefault(name, set()).add(digest)
    lines = [
        " \\\n    ".join([name, *(f"--hash=sha256:{value}" for value in sorted(hashes))])
        for name, hashes in sorted(pinned.items())
    ]
    LOCK.write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    return len(pinned)


def _resolve(python: str) -> Iterator[tuple[str, str]]:
    """Yield (name==version, sha256 of the wheel) of everything that requirements.txt needs under one Python."""
    command = _pip("install", python, "--dry-run", "--quiet", "--ignore-installed", "--report", "-")
    done = subprocess.run(
        [*command, "--target", "unused", "-r", str(REQUIREMENTS)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BoxError(f"{REQUIREMENTS} cannot be resolved for Python {python}: {done.stderr.strip()}")
    for item in json.loads(done.stdout)["install"]:
        name = str(item["metadata"]["name"]).lower().replace("_", "-")
        yield f"{name}=={item['metadata']['version']}", str(item["download_info"]["archive_info"]["hashes"]["sha256"])


def _download(log: Path, target: Path) -> None:
    for python in PYTHONS:
        command = _pip("download", python, "--no-deps", "--require-hashes", "--dest", str(target), "-r", str(LOCK))
        run_logged(command, target, log)


def _pip(action: str, python: str, *words: str) -> list[str]:
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", action, "--only-binary", ":all:"]
    return [*command, *platforms, "--implementation", "cp", "--python-version", python, *words]
