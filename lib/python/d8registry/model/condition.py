# SPDX-License-Identifier: Apache-2.0
"""What people read: the documented conditions (platform.md section 9)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ConditionType(StrEnum):
    """The documented types that modes Unmanaged and Direct use."""

    IMAGES = "RegistryContainsRequiredImages"
    PREFLIGHT = "ContainerdConfigPreflightReady"
    TRANSITION = "TransitionContainerdConfigReady"
    PROXY = "InClusterProxyReady"
    ADDRESS = "DeckhouseRegistrySwitchReady"
    FINAL = "FinalContainerdConfigReady"
    CLEANUP = "CleanupInClusterProxy"
    NOT_SUPPORTED = "ErrTransitionNotSupported"
    READY = "Ready"


class ConditionStatus(StrEnum):
    """Status of a condition, as Kubernetes spells it."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition; `since` is when `status` last changed, `generation` the settings' generation it speaks of."""

    type: ConditionType
    status: ConditionStatus
    reason: str
    message: str
    since: datetime
    generation: int
