# SPDX-License-Identifier: Apache-2.0
"""Whether the load's pulls were real and went well, judged against the registry's own log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from box.demo.timing import StepSpan
from box.registries.journal import Entry, Kind

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One pod that had to fetch its image anew.

    `base` is `old` or `new`; `digest` names the manifest that the pod asked for and `blobs` the config and layers
    that no other image of the load has; `started` is just before the pod was created.
    """

    node: str
    address: str
    namespace: str
    base: str
    digest: str
    blobs: frozenset[str]
    started: datetime
    ended: datetime
    step_at_start: str
    step_at_end: str
    outcome: Outcome
    reason: str = ""

    @property
    def seconds(self) -> float:
        """From the pod's creation to the end of its pull."""
        return (self.ended - self.started).total_seconds()

    def describe(self) -> str:
        """One line for people: who pulled what, when, and how it ended."""
        return (
            f"{self.started:%H:%M:%S} {self.node} {self.namespace} {self.base} base {self.digest[:19]}… "
            f"step {self.step_at_start or 'none'}: {self.outcome}{': ' + self.reason if self.reason else ''}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The pulls that count, that failed, that have no evidence (with the reason), and that a restart has cut."""

    counted: tuple[Pull, ...]
    failed: tuple[Pull, ...]
    uncounted: tuple[tuple[Pull, str], ...]
    cut: tuple[Pull, ...] = ()


def judge_pulls(pulls: Iterable[Pull], requests: Sequence[Entry]) -> Judgement:
    """Sort pulls by what the registry itself has seen of them.

    A failed pull stays failed whatever the log says. A pull that went well counts only with an answered manifest
    request for its digest and an answered request for one of its blobs, from its node, in its window.
    """
    counted: list[Pull] = []
    failed: list[Pull] = []
    uncounted: list[tuple[Pull, str]] = []
    cut: list[Pull] = []
    for pull in pulls:
        missing = describe_missing_evidence(pull, requests) if pull.outcome is Outcome.PULLED else ""
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


def describe_missing_evidence(pull: Pull, requests: Iterable[Entry]) -> str:
    """Say what the registry's log lacks for this pull, or the empty text."""
    seen = [
        one
        for one in requests
        if one.remote == pull.address and one.ok and pull.started <= one.time <= pull.ended + LOG_DELAY
    ]
    lacks = []
    if not any(one.kind is Kind.MANIFEST and one.reference == pull.digest for one in seen):
        lacks.append("manifest request")
    if not any(one.kind is Kind.BLOB and one.reference in pull.blobs for one in seen):
        lacks.append("blob request")
    return f"the registry logged no {' and no '.join(lacks)} of {pull.address} for it" if lacks else ""


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
