# SPDX-License-Identifier: Apache-2.0
"""What the judge is told of a run. All of it was seen; nothing of it is the module's own word."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from box.judge.allowance import Allowance
from box.judge.restarts import Restart
from box.load.pulls import Pull, Role
from box.registries.accounts import Owner
from box.registries.journal import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Whose credential it is, and which registry issued it."""

    registry: str
    owner: Owner
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One edit and what came of it. `before` and `after` name the registries that may be asked with platform logins.

    `ended` is None while it runs; while it runs, both may. A switch that was given up has what was in use in `after`.
    """

    name: str
    started: datetime
    before: frozenset[str]
    after: frozenset[str]
    allowance: Allowance
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """Failed pulls that could not go well, whatever the module does; the scenario has to name each.

    Only pulls that were under way in the window, and that have the given role, base, namespace, registry and node where
    those are given.
    """

    why: str
    started: datetime
    ended: datetime | None = None
    role: Role | None = None
    base: str = ""
    namespace: str = ""
    registry: str = ""
    node: str = ""

    def covers(self, pull: Pull) -> bool:
        """Whether this is the reason of a failed pull."""
        return (
            pull.ended >= self.started
            and (self.ended is None or pull.started <= self.ended)
            and self.role in (None, pull.role)
            and self.base in ("", pull.base)
            and self.namespace in ("", pull.namespace)
            and self.registry in ("", pull.registry)
            and self.node in ("", pull.node)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCut:
    """The scenario cut a node's power: all that ran there starts once more, whatever the module does."""

    node: str
    started: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One run.

    `logins` maps credentials of journals to their owners. `tenants_content` maps digests that only one tenant's
    registry has to that registry. `reloaded` blobs are in images of the load, which removes them from nodes;
    `proof_blobs` are fetched past the local store on purpose. `leaks` name where a
    secret stands, `remains` what `down` has left. `restores`: when the cluster was put back to a snapshot.
    """

    nodes: Mapping[str, str]  # address by name
    began: datetime
    ended: datetime
    at_first: frozenset[str]
    switches: tuple[Switch, ...] = ()
    pulls: tuple[Pull, ...] = ()
    broken: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    logins: Mapping[str, Login] = field(default_factory=dict)
    tenants_content: Mapping[str, str] = field(default_factory=dict)
    reloaded: frozenset[str] = frozenset()
    proof_blobs: frozenset[str] = frozenset()
    restarts: tuple[Restart, ...] = ()
    leaks: tuple[str, ...] = ()
    remains: tuple[str, ...] = ()
    excuses: tuple[Excuse, ...] = ()
    power_cuts: tuple[PowerCut, ...] = ()
    restores: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Something that must not be: the rule by a word, and what was seen."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"
