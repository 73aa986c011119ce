# SPDX-License-Identifier: Apache-2.0
"""Names, addresses and folders of the box; docs/internal/INTERFACES.md has them as a table."""

import os
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from box.errors import BoxError

REPOSITORY = Path(__file__).resolve().parent.parent
PYTHON = Path(sys.executable)

NAME = os.environ.get("BOX_NAME", "")
"""Tells boxes on one machine apart: letters and digits, empty for the usual one. Addresses are the same in each."""

if NAME and not re.fullmatch("[a-z0-9]{1,12}", NAME):
    raise BoxError(f"BOX_NAME={NAME}: up to twelve small letters and digits name a box")

TITLE = f"d8-registry-box-{NAME}" if NAME else "d8-registry-box"

RUN = Path("/run", TITLE)
"""State of one box: process records, certificates, kubeconfig, logs. Removed by `down`."""

DATA = Path("/var/lib", TITLE)
"""Disks of the nodes, one folder a node. Removed by `down`."""

PREFIX = f"d8box{NAME}-"
"""Begins the name of every network namespace and every cgroup of the box."""

CORE = f"{PREFIX}core"

BRIDGE_ADDRESS = "10.111.0.1"
POD_RANGE = "10.112.0.0/16"
SERVICE_RANGE = "10.113.0.0/16"
SERVICE_API_ADDRESS = "10.113.0.1"
API_PORT = 6443
API_URL = f"https://{BRIDGE_ADDRESS}:{API_PORT}"
CLUSTER_DOMAIN = "cluster.local"

KUBECONFIG = RUN / "kubeconfig"
LOGS = RUN / "logs"
PKI = RUN / "pki"


class Group(StrEnum):
    """NodeGroups of the box."""

    MASTER = "master"
    WORKER = "worker"


class Containerd(StrEnum):
    """Generations of containerd that a node may run."""

    V1 = "1.7"
    V2 = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine of the cluster; `number` ends its address and makes its pod range 10.112.<number>.0/24."""

    name: str
    group: Group
    number: int
    containerd: Containerd = Containerd.V2

    @property
    def address(self) -> str:
        """The node's address on the bridge."""
        return f"10.111.0.{self.number}"

    @property
    def namespace(self) -> str:
        """Name of the node's network namespace, and of its cgroup under every controller."""
        return PREFIX + self.name

    @property
    def pod_range(self) -> str:
        """The node's own /24 of pod addresses."""
        return f"10.112.{self.number}.0/24"

    @property
    def disk(self) -> Path:
        """Folder on the machine with what the node keeps over a reboot (`etc`, `opt`, `var`)."""
        return DATA / self.name


def cache_folder() -> Path:
    """Return the folder of built programs and images: `$BOX_CACHE`, else one in the user's cache."""
    chosen = os.environ.get("BOX_CACHE")
    return Path(chosen).resolve() if chosen else Path.home() / ".cache" / "d8-registry-box"
