# SPDX-License-Identifier: Apache-2.0
"""What the demo says at its end: the time of each step, one line of figures, and why it failed if it did. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from box.judge.verdict import Verdict
from box.load.pulls import LONGEST_GAP_SECONDS, Pull, Role, find_gaps, find_idle_steps
from box.watch.timing import StepSpan

READY_WITHIN_SECONDS = 180.0  # approvals one by one and the restart of containerd are in it


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
    verdict: Verdict
    proofs: tuple[Proof, ...]

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
    reasons += [str(one) for one in result.verdict.violations]
    reasons += _find_missing_roles(result)
    if not result.proofs and result.ready:
        reasons.append("no proof was made")
    reasons += [f"proof failed: {proof.name}: {text}" for proof in result.proofs for text in proof.problems]
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
        f"no pull was under way in step {name}" for name in find_idle_steps(result.verdict.counted, result.spans)
    ]
    return tuple(reasons)


def render_steps(spans: Sequence[StepSpan], pulls: Sequence[Pull], now: datetime) -> str:
    """A table: step, seconds, pulls under way in it by base."""
    lines = [f"{'step':<26}{'seconds':>8}  pulls under way (old base, new base, a tenant's)"]
    for span in spans:
        end = span.ended or now
        inside = [one for one in pulls if one.ended >= span.started and one.started <= end]
        counts = ", ".join(str(sum(one.role is role for one in inside)) for role in Role)
        lines.append(f"{span.name:<26}{span.measure(now):>8.1f}  {counts}")
    return "\n".join(lines)


def render_figures(result: Result) -> str:
    """The last line, for people and scripts."""
    seconds = result.ready_seconds
    return (
        f"ready_s={f'{seconds:.1f}' if seconds is not None else 'never'} failed_pulls={len(result.verdict.failed)} "
        f"pulls={len(result.verdict.counted)} restarted={len(result.verdict.restarts)} nodes={len(result.nodes)}"
    )


def _find_missing_roles(result: Result) -> list[str]:
    """Each node must have pulled by both bases, and its tenants' images."""
    if result.ready is None:
        return []
    reasons = []
    for node in result.nodes:
        roles = {one.role for one in result.verdict.counted if one.node == node}
        reasons += [f"no pull of role {role} counts on {node}" for role in Role if role not in roles]
    return reasons
