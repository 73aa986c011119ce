# SPDX-License-Identifier: Apache-2.0
"""What a change may restart: the table of the user's documentation (docs/README.md), by what was changed."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a cluster pulls by. `registry` is the box's name of it; `relax`: another one may hold another edition."""

    mode: str
    registry: str
    path: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    relax: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How often each may restart in one switch: deckhouse, every other workload's pod, each node's containerd."""

    deckhouse: int = 0
    workloads: int = 0
    containerd: int = 0


NOTHING = Allowance()


def compute_allowance(before: Settings, after: Settings) -> Allowance:
    """Look a change up in the table."""
    if before.mode != after.mode:
        # Deckhouse once for the address with both bases' entries, and once when the old one's entry goes.
        return Allowance(deckhouse=2, workloads=1, containerd=1)
    if after.relax and (before.registry, before.path) != (after.registry, after.path):
        # Deckhouse once for the other edition's images, and twice for another login.
        return Allowance(deckhouse=1 if _same_login(before, after) else 3, workloads=1)
    if after.mode == "Direct" and not _same_login(before, after):
        return Allowance(deckhouse=2)
    return NOTHING


def _same_login(before: Settings, after: Settings) -> bool:
    return (before.user, before.password) == (after.user, after.password)
