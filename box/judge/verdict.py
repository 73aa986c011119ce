# SPDX-License-Identifier: Apache-2.0
"""All rules over all facts of a run."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from box.judge.allowance import NOTHING, Allowance
from box.judge.facts import Facts, Switch, Violation
from box.judge.pulling import find_cut, find_failed, find_twice, find_unproven, judge
from box.judge.restarts import CONTAINERD, Restart
from box.judge.trespass import find_platform_abroad, find_strays, find_tenants_abroad
from box.load.pulls import Outcome, Pull

_DECKHOUSE = "Deployment d8-system/deckhouse"
_FORGOTTEN = timedelta(minutes=2)
"""For how long after a restore Jobs are done again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge found; without violations the run is good."""

    violations: tuple[Violation, ...]
    counted: tuple[Pull, ...]
    failed: tuple[Pull, ...]
    excused: tuple[tuple[Pull, str], ...]
    cut: tuple[Pull, ...]
    restarts: tuple[Restart, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing at all was wrong."""
        return not self.violations

    def describe(self, most: int = 40) -> str:
        """A line of figures, then the violations, the first ones of many."""
        lines = [
            f"pulls={len(self.counted)} failed_pulls={len(self.failed)} excused={len(self.excused)} "
            f"cut={len(self.cut)} restarted={len(self.restarts)} violations={len(self.violations)}"
        ]
        lines += [f"  {one}" for one in self.violations[:most]]
        lines += [f"  … and {len(self.violations) - most} more"] if len(self.violations) > most else []
        return "\n".join(lines)


def find_restarted(facts: Facts) -> Iterator[Violation]:
    """Restarts beyond the table, by the switch that they follow; none is allowed before the first one."""
    starts = [None, *facts.switches]
    restarts = list(_leave_out_boots(facts))
    for number, switch in enumerate(starts):
        after = switch.started if switch else facts.began
        until = starts[number + 1].started if number + 1 < len(starts) else facts.ended  # type: ignore[union-attr]
        counts = Counter(
            (one.owner, one.container)
            for one in restarts
            if after <= one.at < until or (one.at >= until and number + 1 == len(starts))
        )
        for (owner, container), count in sorted(counts.items()):
            allowed = _look_up(owner, switch.allowance if switch else NOTHING)
            if count > allowed:
                yield _say_restarts(owner, container, count, allowed, switch)


def find_leaked(facts: Facts) -> Iterator[Violation]:
    """Secrets where none may be."""
    for name in facts.leaks:
        yield Violation(rule="secret shown", text=f"a credential stands in {name}")


def find_left(facts: Facts) -> Iterator[Violation]:
    """What `down` has left."""
    for name in facts.remains:
        yield Violation(rule="left over", text=name)


RULES: tuple[Callable[[Facts], Iterator[Violation]], ...] = (
    find_failed,
    find_unproven,
    find_cut,
    find_tenants_abroad,
    find_platform_abroad,
    find_strays,
    find_leaked,
    find_restarted,
    find_twice,
    find_left,
)


def reach_verdict(facts: Facts) -> Verdict:
    """Apply every rule."""
    failed = [pull for pull in facts.pulls if pull.outcome is Outcome.FAILED]
    excused = [(pull, one.why) for pull in failed for one in facts.excuses[:] if one.covers(pull)]
    named = dict(excused)
    judged = judge(facts)
    return Verdict(
        violations=tuple(violation for rule in RULES for violation in rule(facts)),
        counted=judged.counted,
        cut=judged.cut,
        failed=tuple(pull for pull in failed if pull not in named),
        excused=tuple(named.items()),
        restarts=facts.restarts,
    )


def add_remains(verdict: Verdict, remains: tuple[str, ...]) -> Verdict:
    """The same verdict once the box is down, with what that has left."""
    more = tuple(Violation(rule="left over", text=name) for name in remains)
    return replace(verdict, violations=(*verdict.violations, *more))


def _leave_out_boots(facts: Facts) -> Iterator[Restart]:
    """The restarts that are not the first start of something on a node after its power was cut.

    A Job makes another pod for one that the cut ended, wherever there is room. A cluster that was put back to a
    snapshot has forgotten what its Jobs had done since, and does that again.
    """
    awaited = [(cut, set[tuple[str, str]]()) for cut in facts.power_cuts]
    for one in facts.restarts:
        what = (one.owner, one.container)
        if one.owner.startswith("Job ") and any(at <= one.at < at + _FORGOTTEN for at in facts.restores):
            continue
        for cut, started in awaited:
            is_of_boot = (one.is_in_place and one.node == cut.node) or one.owner.startswith("Job ")
            if is_of_boot and one.at >= cut.started and what not in started:
                started.add(what)
                break
        else:
            yield one


def _look_up(owner: str, allowance: Allowance) -> int:
    if owner.startswith(CONTAINERD):
        return allowance.containerd
    return allowance.deckhouse if owner == _DECKHOUSE else allowance.workloads


def _say_restarts(owner: str, container: str, count: int, allowed: int, switch: Switch | None) -> Violation:
    when = f"in switch {switch.name}" if switch else "before any switch"
    what = f"{owner} container {container}" if container else owner
    return Violation(rule="restarted", text=f"{what}: {count} times {when}, {allowed} allowed")
