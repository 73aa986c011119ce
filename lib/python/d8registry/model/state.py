# SPDX-License-Identifier: Apache-2.0
"""What the module remembers between runs: one value, kept in Secret registry-state."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from d8registry.model.endpoint import Base, Credentials, Endpoint, Scheme
from d8registry.model.settings import CheckMode, Mode

SCHEMA = 3


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
    """Where within a step a switch is; most steps have one phase.

    CANARY: the first few nodes; TEXT: the platform's own text follows the nodes; RESTART: deckhouse starts anew from
    the new source; EVIDENCE: nothing may need the old source; ADDRESS: the pull secret before the proxy.
    """

    CANARY = "canary"
    ALL = "all"
    TEXT = "text"
    RESTART = "restart"
    EVIDENCE = "evidence"
    ADDRESS = "address"


class Standing(StrEnum):
    """What is known of a registry: SILENT covers all that gives no fallback, REFUSED that it refused its password."""

    UNKNOWN = "unknown"
    ANSWERS = "answers"
    SILENT = "silent"
    REFUSED = "refused"


class Change(StrEnum):
    """What differs between two generations, as far as plans care."""

    BASE = "base"
    SOURCE = "source"
    CREDENTIALS = "credentials"
    EDITION = "edition"


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
class Refusal:
    """A candidate that failed while the way back was open: not tried again until settings or `retry` change."""

    fingerprint: str
    step: Step
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A switch that stands still; `is_turned`: the old source is in front again, and only `retry` goes on."""

    reason: str
    message: str
    since: datetime
    is_turned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A plan being carried out, from the state's current generation to `candidate`.

    `plan` is the plan's name and version; `since` when the stage began (its deadline counts from `progressed`);
    `canaries` the nodes that go first in the present phase; `in_place` when the last node had the new source as it is
    to stay (the soak counts from it); `old` what was known of the old registry when the stage was entered, and so which
    source stands in front; `restarts` the pods of deckhouse that are to be gone; `is_return`: both sources were on the
    nodes from the start, because a switch past its point of no automatic return is being undone; `failure` why a
    switch is being rolled back; `is_mending`: to the present generation, whose login the pull secret lacks.
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
    old: Standing = Standing.UNKNOWN
    restarts: tuple[str, ...] = ()
    hold: Hold | None = None
    is_return: bool = False
    failure: Refusal | None = None
    is_mending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PullAddress:
    """What Secret deckhouse-registry holds by our hand.

    `entries` are keys of its docker configuration (host, or host and path) with their credentials, in order; `ca` is
    that of a real registry and empty for the fixed address, which has the module's own. `former` are credentials that
    the entries before had for the fixed address: copies of the Secret name them until they have followed.
    """

    base: Base
    scheme: Scheme
    ca: str = ""
    entries: tuple[tuple[str, Credentials], ...]
    former: tuple[Credentials, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything the module remembers.

    `current` is the last good generation, or the one that a switch leads away from; `address` what deckhouse-registry
    holds by our hand, None while it is the platform's own; `owns_real_host`: the node plan keeps the folder of an
    Unmanaged generation's real host (since the first AddSource); `counter`, `epoch` and `salt` are the node token's;
    `requests` the last seen values of the request annotations; `generations` the last number given to a generation;
    `disabled` since when the module is; `retained_hosts` the real hosts whose CA stays on the nodes because something
    still names them; `leftovers` what still needs credentials of the generation before (`Node x` until it reports,
    objects that were accepted); `is_paused`: annotation `pause` asks to stand still; `is_travelled`: nodes knew a later
    plan than the cluster, and no witness counts before every reachable node has answered to the present epoch.
    """

    revision: int
    current: Generation
    switch: Switch | None = None
    refusal: Refusal | None = None
    address: PullAddress | None = None
    owns_real_host: bool = False
    generations: int = 1
    counter: int = 1
    epoch: str
    salt: str
    requests: tuple[tuple[str, str], ...] = ()
    disabled: datetime | None = None
    retained_hosts: tuple[Endpoint, ...] = ()
    leftovers: tuple[str, ...] = ()
    is_paused: bool = False
    is_travelled: bool = False


def find_changes(current: Generation, candidate: Generation) -> frozenset[Change]:
    """Find what differs; nothing where only the check mode does."""
    old, new = current.endpoint, candidate.endpoint
    found = set()
    if current.mode is not candidate.mode:
        found.add(Change.BASE)
    if old != new:
        found.add(Change.SOURCE)
    if old.credentials != new.credentials:
        found.add(Change.CREDENTIALS)
    if candidate.check_mode is CheckMode.RELAX and (old.host, old.path) != (new.host, new.path):
        found.add(Change.EDITION)
    return frozenset(found)
