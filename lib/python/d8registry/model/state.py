# SPDX-License-Identifier: Apache-2.0
"""What the module remembers between runs: one value, kept in Secret registry-state."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from d8registry.model.endpoint import Endpoint
from d8registry.model.settings import CheckMode, Mode

SCHEMA = 2


class Step(StrEnum):
    """A step of a plan, in the words of the documentation."""

    CHECK_IMAGES = "CheckImages"
    GUARDS = "Guards"
    PREPARE_NODES = "PrepareNodes"
    ADD_SOURCE = "AddSource"
    START_PROXY = "StartProxy"
    SWITCH_ADDRESS = "SwitchAddress"
    PREFER_NEW = "PreferNew"
    FINALISE_NODES = "FinaliseNodes"
    CLEAN_UP = "CleanUp"


class Phase(StrEnum):
    """Where within a step a switch is; most steps have one phase."""

    CANARY = "canary"
    ALL = "all"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One accepted set of settings; `number` only grows."""

    number: int
    mode: Mode
    endpoint: Endpoint
    check_mode: CheckMode = CheckMode.DEFAULT

    @property
    def fingerprint(self) -> str:
        """Name these settings without telling the password."""
        return f"{self.mode}/{self.check_mode}/{self.endpoint.fingerprint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A plan being carried out.

    `plan` is the plan's name and version; `since` when the step began (its deadline counts from `progressed`);
    `canaries` the nodes that go first in the present phase; `in_place` when the last node had the new source live (the
    soak counts from it).
    """

    plan: str
    candidate: Generation
    step: Step
    phase: Phase
    started: datetime
    since: datetime
    progressed: datetime
    progress: str = ""
    canaries: tuple[str, ...] = ()
    in_place: datetime | None = None
    keep_host_ca: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A candidate that failed while the way back was open: not tried again until settings or `retry` change."""

    fingerprint: str
    step: Step
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything the module remembers.

    `current` is the last good generation; `owns_real_host`: the node plan keeps the folder of an Unmanaged
    generation's real host (since the first AddSource); `counter`, `epoch` and `salt` are the node token's; `requests`
    the last seen values of the request annotations; `generations` the last number given to a generation; `disabled`
    since when the module is; `retained_host` the real host whose CA stays on the nodes because something still names
    it.
    """

    revision: int
    current: Generation
    switch: Switch | None = None
    refusal: Refusal | None = None
    owns_real_host: bool = False
    generations: int = 1
    counter: int = 1
    epoch: str
    salt: str
    requests: tuple[tuple[str, str], ...] = ()
    disabled: datetime | None = None
    retained_host: Endpoint | None = None
