# SPDX-License-Identifier: Apache-2.0
"""containerd's own parser of hosts.toml, of either generation, as a process that answers question after question."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.containerd import Generation
from tests.support.control_plane import find_binary


@dataclass
class HostsReader:
    """One running reader; close it at the end."""

    generation: Generation

    def __post_init__(self) -> None:
        tool = "containerd17-1.7." if self.generation is Generation.V17 else "containerd-2."
        program = find_binary(f"read-hosts-{tool}*/read-hosts")
        self._process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def read(self, root: Path, host: str, repositories: list[str], cas: list[str]) -> list[dict[str, Any]]:
        """Return what containerd would ask for images of `host`, in order; raises ValueError with its complaint."""
        question = {"root": str(root), "host": host, "repositories": repositories, "cas": cas}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if answer["error"]:
            raise ValueError(answer["error"])
        return list(answer["sources"] or [])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
