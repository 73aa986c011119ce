# SPDX-License-Identifier: Apache-2.0
"""What the demo says at its end: the time of each step, one line of figures, and why it failed if it did. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from box.demo.pulls import LONGEST_GAP_SECONDS, Judgement, Pull, find_gaps, find_idle_steps
from box.demo.timing import StepSpan

READY_WITHIN_SECONDS = 180.0  # approvals one by one and the restart of containerd are in it
_RESTART_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Something shown after the switch; `problems` is empty where it holds."""

    name: str
    problems: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything that the demo has seen; `ready` is None where the switch did not end (`stopped` says why)."""

    nodes: tuple[str, ...]
    edited: datetime
    ready: datetime | None
    stopped: str
    spans: tuple[StepSpan, ...]
    pulls: tuple[Pull, ...]
    judgement: Judgement
    broken: tuple[str, ...]
    restarted: tuple[str, ...]
    proofs: tuple[Proof, ...]
    leaks: tuple[str, ...]

    @property
    def ready_seconds(self) -> float | None:
        """Seconds from the edit to Ready."""
        return (self.ready - self.edited).total_seconds() if self.ready else None


def list_failures(result: Result) -> tuple[str, ...]:
    """Every reason why the demo has failed; empty where it succeeded."""
    return (*list_shortfalls(result), *list_wrongs(result))


def list_wrongs(result: Result) -> tuple[str, ...]:
    """What is wrong however fast or slow the machine is."""
    reasons = [] if result.ready else [f"the switch did not end: {result.stopped}"]
    judged = result.judgement
    reasons += [f"failed pull: {pull.describe()}" for pull in judged.failed]
    reasons += [f"pull without evidence: {pull.describe()}: {why}" for pull, why in judged.uncounted]
    reasons += [f"pulls were cut at two times on {node}" for node in _find_cut_twice(judged.cut)]
    reasons += [f"the load could not make a pull: {text}" for text in result.broken]
    reasons += _find_missing_bases(result)
    if not result.proofs and result.ready:
        reasons.append("no proof was made")
    reasons += [f"proof failed: {proof.name}: {text}" for proof in result.proofs for text in proof.problems]
    reasons += [f"a registry credential stands in {name}" for name in result.leaks]
    return tuple(reasons)


def list_shortfalls(result: Result) -> tuple[str, ...]:
    """What depends on the machine's speed: the time to Ready, and a load without gaps, in every step."""
    seconds, end = result.ready_seconds, result.ready
    if seconds is None or end is None:
        return ()
    reasons = []
    if seconds > READY_WITHIN_SECONDS:
        reasons.append(f"Ready came after {seconds:.0f} s, not within {READY_WITHIN_SECONDS:.0f} s")
    reasons += [
        f"the load left {node} without a new pull for {gap:.1f} s (at most {LONGEST_GAP_SECONDS:.0f} s)"
        for node, gap in find_gaps(result.pulls, result.nodes, result.edited, end)
        if gap > LONGEST_GAP_SECONDS
    ]
    reasons += [
        f"no pull was under way in step {name}" for name in find_idle_steps(result.judgement.counted, result.spans)
    ]
    return tuple(reasons)


def render_steps(spans: Sequence[StepSpan], pulls: Sequence[Pull], now: datetime) -> str:
    """A table: step, seconds, pulls under way in it by base."""
    lines = [f"{'step':<26}{'seconds':>8}  pulls under way (old base, new base)"]
    for span in spans:
        end = span.ended or now
        inside = [one for one in pulls if one.ended >= span.started and one.started <= end]
        old = sum(one.base == "old" for one in inside)
        lines.append(f"{span.name:<26}{span.measure(now):>8.1f}  {old}, {len(inside) - old}")
    return "\n".join(lines)


def render_figures(result: Result) -> str:
    """The last line, for people and scripts."""
    seconds = result.ready_seconds
    return (
        f"ready_s={f'{seconds:.1f}' if seconds is not None else 'never'} failed_pulls={len(result.judgement.failed)} "
        f"pulls={len(result.judgement.counted)} restarted={len(result.restarted)} nodes={len(result.nodes)}"
    )


def _find_cut_twice(cut: Sequence[Pull]) -> list[str]:
    """Nodes where pulls were cut at two times: containerd restarts once."""
    found = []
    for node in sorted({pull.node for pull in cut}):
        moments = [pull.ended for pull in cut if pull.node == node]
        if (max(moments) - min(moments)).total_seconds() > _RESTART_SECONDS:
            found.append(node)
    return found


def _find_missing_bases(result: Result) -> list[str]:
    """Each node must have pulled by both bases."""
    if result.ready is None:
        return []
    reasons = []
    for node in result.nodes:
        bases = {one.base for one in result.judgement.counted if one.node == node}
        reasons += [f"no pull of the {base} base counts on {node}" for base in ("old", "new") if base not in bases]
    return reasons
