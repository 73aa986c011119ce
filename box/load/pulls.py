# SPDX-License-Identifier: Apache-2.0
"""One pull of the load, and whether the registries' own journals show that it was real."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from box.registries.journal import Entry, Kind
from box.watch.timing import StepSpan

LOG_DELAY = timedelta(seconds=1)
LONGEST_GAP_SECONDS = 3.0


class Outcome(StrEnum):
    """How one pod's image pull ended.

    UNCLEAR where the kubelet never came to the pull. CUT where the node's containerd was restarted under it, which the
    platform does once when it turns `config_path` on: that says nothing of a registry.
    """

    PULLED = "pulled"
    FAILED = "failed"
    UNCLEAR = "unclear"
    CUT = "cut"


class Role(StrEnum):
    """Why a pull names its base: the platform's before the switch, after it, or a tenant's own."""

    OLD = "old"
    NEW = "new"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One pod that had to fetch its image anew.

    `base` is the prefix of the reference; `registry` the tenant's own registry, empty for the platform's images, which
    any source may deliver. `digest` names the manifest that the pod asked for and `blobs` the config and layers that no
    other image of the load has; `started` is just before the pod was created.
    """

    node: str
    address: str
    namespace: str
    role: Role
    base: str
    digest: str
    blobs: frozenset[str]
    started: datetime
    ended: datetime
    step_at_start: str
    step_at_end: str
    outcome: Outcome
    registry: str = ""
    reason: str = ""

    @property
    def seconds(self) -> float:
        """From the pod's creation to the end of its pull."""
        return (self.ended - self.started).total_seconds()

    def describe(self) -> str:
        """One line for people: who pulled what, when, and how it ended."""
        return (
            f"{self.started:%H:%M:%S} {self.node} {self.namespace} {self.role} {self.base}@{self.digest[:19]}… "
            f"step {self.step_at_start or 'none'}: {self.outcome}{': ' + self.reason if self.reason else ''}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The pulls that count, that failed, that have no evidence (with the reason), and that a restart has cut."""

    counted: tuple[Pull, ...]
    failed: tuple[Pull, ...]
    uncounted: tuple[tuple[Pull, str], ...]
    cut: tuple[Pull, ...] = ()


def judge_pulls(pulls: Iterable[Pull], entries: Sequence[Entry]) -> Judgement:
    """Sort pulls by what the registries themselves have seen of them.

    A failed pull stays failed whatever a journal says. A pull that went well counts only with an answered manifest
    request for its digest and an answered request for one of its blobs, from its node, in its window; a tenant's only
    at the tenant's registry.
    """
    by_remote: dict[str, list[Entry]] = {}
    for entry in entries:
        by_remote.setdefault(entry.remote, []).append(entry)
    counted: list[Pull] = []
    failed: list[Pull] = []
    uncounted: list[tuple[Pull, str]] = []
    cut: list[Pull] = []
    for pull in pulls:
        seen = by_remote.get(pull.address, [])
        missing = describe_missing_evidence(pull, seen) if pull.outcome is Outcome.PULLED else ""
        if pull.outcome is Outcome.FAILED:
            failed.append(pull)
        elif pull.outcome is Outcome.CUT:
            cut.append(pull)
        elif pull.outcome is Outcome.UNCLEAR:
            uncounted.append((pull, pull.reason))
        elif missing:
            uncounted.append((pull, missing))
        else:
            counted.append(pull)
    return Judgement(counted=tuple(counted), failed=tuple(failed), uncounted=tuple(uncounted), cut=tuple(cut))


def list_window(pull: Pull, entries: Iterable[Entry]) -> list[Entry]:
    """The requests of the pull's node in its window, at the registries that may deliver it."""
    return [
        one
        for one in entries
        if one.remote == pull.address
        and pull.started <= one.time <= pull.ended + LOG_DELAY
        and pull.registry in ("", one.registry)
    ]


def describe_missing_evidence(pull: Pull, entries: Iterable[Entry]) -> str:
    """Say what the journals lack for this pull, or the empty text."""
    seen = [one for one in list_window(pull, entries) if one.ok]
    lacks = []
    if not any(one.kind is Kind.MANIFEST and one.reference == pull.digest for one in seen):
        lacks.append("manifest request")
    if not any(one.kind is Kind.BLOB and one.reference in pull.blobs for one in seen):
        lacks.append("blob request")
    where = pull.registry or "no registry"
    verb = "logged no" if pull.registry else "logged a"
    return f"{where} {verb} {' and '.join(lacks)} of {pull.address} for it" if lacks else ""


def find_gaps(
    pulls: Sequence[Pull], nodes: Iterable[str], started: datetime, ended: datetime
) -> tuple[tuple[str, float], ...]:
    """Per node the longest time (seconds) between `started` and `ended` in which no pull began."""
    found = []
    for node in sorted(nodes):
        moments = sorted(one.started for one in pulls if one.node == node and started <= one.started <= ended)
        longest = max((after - before).total_seconds() for before, after in pairwise([started, *moments, ended]))
        found.append((node, longest))
    return tuple(found)


def find_idle_steps(pulls: Sequence[Pull], spans: Iterable[StepSpan]) -> tuple[str, ...]:
    """Steps during which no pull was under way on any node."""
    return tuple(
        span.name
        for span in spans
        if not any(one.ended >= span.started and (span.ended is None or one.started <= span.ended) for one in pulls)
    )
