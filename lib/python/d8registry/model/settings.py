# SPDX-License-Identifier: Apache-2.0
"""What the administrator wants: the registry section of ModuleConfig `deckhouse`, and our own settings."""

from dataclasses import dataclass
from enum import StrEnum

from d8registry.model.endpoint import Endpoint


class Mode(StrEnum):
    """How a cluster reaches its platform images."""

    UNMANAGED = "Unmanaged"
    DIRECT = "Direct"
    PROXY = "Proxy"
    LOCAL = "Local"


class CheckMode(StrEnum):
    """How much the checker demands of a new registry."""

    DEFAULT = "Default"
    RELAX = "Relax"


class OnFailure(StrEnum):
    """What a failed step leads to while the way back is open."""

    ROLLBACK = "Rollback"
    HOLD = "Hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One accepted registry section.

    `endpoint` is None for non-configurable Unmanaged (the cluster keeps the registry it has) and for the modes that
    this release does not have.
    """

    mode: Mode = Mode.UNMANAGED
    endpoint: Endpoint | None = None
    check_mode: CheckMode = CheckMode.DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSettings:
    """Settings of ModuleConfig `registry`; times in seconds."""

    step_deadline: int = 1800
    on_failure: OnFailure = OnFailure.ROLLBACK
    unreachable_grace: int = 600
    users_grace: int = 600
    soak: int = 60
