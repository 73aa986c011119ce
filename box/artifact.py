# SPDX-License-Identifier: Apache-2.0
"""A cache of built things: each in a folder named by a hash of all that it was made of, built once, published whole."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from box.errors import BoxError
from box.process import tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something to build into an empty folder; `cold_seconds` is what it took on two idle cores."""

    name: str
    version: str
    key: str
    cold_seconds: int
    build: Callable[[Path], None]

    def folder(self, cache: Path) -> Path:
        """Return where the finished artifact lies in the cache."""
        return cache / f"{self.name}-{self.version}-{self.key}"


def hash_inputs(words: Iterable[str], files: Iterable[Path]) -> str:
    """Return 12 hex digits over words and over the names and contents of files."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode() + b"\0")
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@contextmanager
def building_lock(cache: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the cache for building; `on_wait` is called once when another build has it."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob(".building-*"):  # of a build that was killed: nobody else holds the lock
            shutil.rmtree(left)
        yield


def publish(artifact: Artifact, cache: Path) -> Path:
    """Build the artifact aside and move it into place in one step; the lock must be held."""
    aside = Path(tempfile.mkdtemp(prefix=f".building-{artifact.name}-", dir=cache))
    try:
        artifact.build(aside)
        aside.chmod(0o755)
        return aside.rename(artifact.folder(cache))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def run_logged(command: Sequence[str], folder: Path, log: Path, environment: dict[str, str] | None = None) -> None:
    """Run a build command; its output goes to `log`. Raises BoxError with the end of the log.

    The command is killed with the build, whatever kills that.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        done = subprocess.run(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
    if done.returncode:
        raise BoxError(f"`{' '.join(command)}` failed with status {done.returncode}; see {log}:\n{tail(log)}")
