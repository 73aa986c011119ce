# SPDX-License-Identifier: Apache-2.0
"""A real containerd of either generation in a scratch folder, with its CRI, and clients for it."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.support.control_plane import die_with_parent, find_binary


class Generation(StrEnum):
    """The containerds that nodes of the platform run."""

    V17 = "1.7"
    V2 = "2.x"

    @property
    def programs(self) -> Path:
        """The folder of its programs in the cache of the box."""
        name = "containerd17-1.7.*/ctr" if self is Generation.V17 else "containerd-2.*/ctr"
        return find_binary(name).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """How a pull through CRI ended; `error` is empty when it went well."""

    error: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Containerd:
    """A containerd that runs; `hosts` is its folder of hosts.toml."""

    generation: Generation
    folder: Path

    @property
    def hosts(self) -> Path:
        """The folder that `config_path` names."""
        return self.folder / "registry.d"

    @property
    def log(self) -> str:
        """Everything that it has written so far."""
        return (self.folder / "containerd.log").read_text(errors="replace")

    def pull(self, reference: str, *, auth: tuple[str, str] | None = None, seconds: float = 20.0) -> Pull:
        """Pull through CRI, as a kubelet does, with or without the entry of an image pull secret."""
        order: dict[str, object] = {"image": reference, "seconds": seconds}
        if auth is not None:
            order["auth"] = {"username": auth[0], "password": auth[1]}
        done = subprocess.run(
            [find_binary("cripull"), f"unix://{self.folder}/containerd.sock"],
            input=json.dumps(order) + "\n",
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 30,
        )
        told = json.loads(done.stdout)
        return Pull(error=told["error"], seconds=told["seconds"])

    def ctr(self, *arguments: str, seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run ctr as registry-node does: under `timeout`, in namespace k8s.io."""
        limit = ["timeout", "--kill-after=5", f"{seconds}"]
        command = [str(self.generation.programs / "ctr"), "--address", f"{self.folder}/containerd.sock"]
        return subprocess.run(
            [*limit, *command, "--namespace", "k8s.io", *arguments], capture_output=True, text=True, check=False
        )


@contextlib.contextmanager
def run_containerd(generation: Generation, folder: Path, *, root: Path | None = None) -> Iterator[Containerd]:
    """Run containerd below `folder` until the end; `root` is where it keeps content, if elsewhere."""
    made = Containerd(generation=generation, folder=folder)
    made.hosts.mkdir(parents=True)
    config = folder / "config.toml"
    config.write_text(_render_config(made, root or folder / "root"))
    with (folder / "containerd.log").open("wb") as log:
        process = subprocess.Popen(
            [str(generation.programs / "containerd"), "--config", str(config)],
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
            env={"PATH": f"{generation.programs}:/usr/sbin:/usr/bin:/sbin:/bin", "NO_PROXY": "*"},
        )
        try:
            _wait_ready(made, process)
            yield made
        finally:
            process.terminate()
            process.wait(15)


def _wait_ready(made: Containerd, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while "containerd successfully booted" not in made.log:
        if process.poll() is not None or time.monotonic() > until:
            raise TimeoutError(f"containerd {made.generation} does not start:\n{made.log[-2000:]}")
        time.sleep(0.1)


def _render_config(made: Containerd, root: Path) -> str:
    old = made.generation is Generation.V17
    plugin = "io.containerd.grpc.v1.cri" if old else "io.containerd.cri.v1.images"
    return f"""\
version = {2 if old else 3}
root = "{root}"
state = "{made.folder / "state"}"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{made.folder / "containerd.sock"}"
[plugins."{plugin}".registry]
  config_path = "{made.hosts}"
"""
