# SPDX-License-Identifier: Apache-2.0
"""What is seen of the cluster in one run."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from d8registry.model.secret import Secret


class WitnessResult(StrEnum):
    """How a node fared with the plan."""

    APPLIED = "applied"
    FAILING = "failing"
    RESTORED = "restored"
    UNINSTALLING = "uninstalling"


class FailureClass(StrEnum):
    """Why a source could not be proven on a node, or a registry not be checked."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    CLOCK = "clock"
    AUTH = "auth"
    NOT_FOUND = "not-found"
    RATE_LIMITED = "rate-limited"
    SERVER = "server"
    TIMEOUT = "timeout"
    DISK = "disk"
    FOREIGN = "foreign"
    OTHER = "other"
    NONE = ""


class ContainerdConfig(StrEnum):
    """Label node.deckhouse.io/containerd-config-registry; UNKNOWN where it is absent."""

    DEFAULT = "default"
    CUSTOM = "custom"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A node's own report (annotation registry.deckhouse.io/node-report).

    `custom_detail` says which registry settings of containerd are not the platform's, and in which file;
    `foreign_agent` which other manager of registry.d was found. Both are for people, and empty where nothing was found.
    """

    token: str
    result: WitnessResult
    failure: FailureClass = FailureClass.NONE
    message: str = ""
    config_path: bool = False
    custom_config: bool = False
    custom_detail: str = ""
    foreign_agent: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One Node; `group` is its NodeGroup's name or empty, `ready` its Ready condition."""

    name: str
    group: str = ""
    is_master: bool = False
    ready: bool = True
    away: bool = False
    unready_since: datetime | None = None
    containerd_config: ContainerdConfig = ContainerdConfig.DEFAULT
    witness: Witness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeckhousePod:
    """A pod of deckhouse-controller; `checksum` names the content of deckhouse-registry that it runs with."""

    name: str
    checksum: str
    ready: bool
    is_leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyPod:
    """A pod of the in-cluster proxy; `ip` is empty until it has one.

    `mounted` is our own mark on it of what its Secrets held when its kubelet was last told to look at them.
    """

    name: str
    ip: str
    ready: bool
    mounted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretCopy:
    """A pull secret named deckhouse-registry outside d8-system; `docker_config` is its text as it stands."""

    namespace: str
    docker_config: Secret
