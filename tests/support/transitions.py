# SPDX-License-Identifier: Apache-2.0
"""The page of transitions, written from the plans themselves."""

from itertools import pairwise

from d8registry.model.settings import Mode
from d8registry.model.state import Change
from d8registry.pki.trust import Trust
from d8registry.switching.plans import ROLL_BACKS, ROTATE_AUTHORITY, TRANSITIONS, Plan

_HEAD = """# Transitions

Written from `lib/python/d8registry/switching/plans.py` by `make golden`; do not edit.

A stage is for switches that change one of what its column "only if changed" names; with nothing there, for all.

- Nodes and the platform's text have the `old` source, `both` (under one base the old one in front, if it answers),
  `preferred` (both, the new one in front), or the `new` one. The platform's text knows a host once: the new source
  then.
- The proxy is `off`; serves the `old` upstream and users; both users are `added` (upstream: the old one, unless only
  the login changes or the old registry does not answer); it is `moved` to the new upstream; or serves the `new` one
  alone.
- Secret `deckhouse-registry` is `keep`, holds the entries of `both`, or the `new` one alone.

Up to the point of no automatic return a failure goes to a rollback, which every node confirms. Past it a switch
holds; where two sources stand under one base, an old one that answers is put in front again. `abort`, or settings set
back at a hold, turn a switch round as long as both sources stand: it goes on as the transition the other way
(decision record 9).
"""


def render_transitions() -> str:
    """Render docs/internal/TRANSITIONS.md."""
    parts = [_HEAD]
    for (before, after), plan in TRANSITIONS.items():
        parts.append(f"\n## {before} to {after} (`{plan.name}`)\n\n{_render_table(plan)}\n{_render_diagram(plan)}")
    parts.append(f"\n## What a change in Direct goes through\n\n{_render_changes()}")
    for mode, plan in ROLL_BACKS.items():
        parts.append(f"\n## Rollback to {mode} (`{plan.name}`)\n\n{_render_table(plan)}")
    parts.append(f"\n## Another authority of the module's own (`{ROTATE_AUTHORITY.name}`)\n\n{_render_trust()}")
    return "".join(parts)


def _render_changes() -> str:
    changes = {
        "check mode alone": frozenset(),
        "host, port, path, scheme, CA": frozenset({Change.SOURCE}),
        "user, password, licence, anonymous": frozenset({Change.SOURCE, Change.CREDENTIALS}),
        "edition (`Relax`)": frozenset({Change.SOURCE, Change.EDITION}),
    }
    plan = TRANSITIONS[(Mode.DIRECT, Mode.DIRECT)]
    stages = [(stage.step, stage.phase) for stage in plan.stages]
    rows = [f"| stage | {' | '.join(changes)} |", "| --- " * (len(changes) + 1) + "|"]
    taken = [{(stage.step, stage.phase) for stage in plan.narrow(change).stages} for change in changes.values()]
    for step, phase in stages:
        marks = ["x" if (step, phase) in found else "" for found in taken]
        rows.append(f"| {step}/{phase} | {' | '.join(marks)} |")
    return "\n".join(rows) + "\n"


def _render_trust() -> str:
    rows = ["Nodes, sources and credentials stay as they are in `Direct`.\n"]
    rows += ["| step | phase | condition | the platform trusts | the proxy serves by |", "| --- " * 5 + "|"]
    words = {
        Trust.BOTH: ("both authorities", "the old one"),
        Trust.MOVED: ("both authorities", "the new one"),
        Trust.NEW: ("the new one", "the new one"),
    }
    for stage in ROTATE_AUTHORITY.stages:
        trusted, served = words[stage.trust]
        rows.append(f"| {stage.step} | {stage.phase} | `{stage.condition}` | {trusted} | {served} |")
    return "\n".join(rows) + "\n"


def _render_table(plan: Plan) -> str:
    rows = [
        "| step | phase | only if changed | condition | nodes | first nodes | platform's text | proxy | address |",
        "| --- " * 9 + "|",
    ]
    for stage in plan.stages:
        cells = [
            stage.step,
            stage.phase,
            ", ".join(sorted(stage.needs)),
            f"`{stage.condition}`",
            stage.nodes,
            stage.canaries or "",
            stage.bashible or "as it is",
            stage.proxy,
            stage.address,
        ]
        rows.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _render_diagram(plan: Plan) -> str:
    lines = ["```mermaid", "flowchart LR"]
    steps = list(dict.fromkeys(stage.step for stage in plan.stages))
    lines += [f"  {left} --> {right}" for left, right in pairwise(steps)]
    first = {stage.step: stage for stage in reversed(plan.stages)}
    for step, stage in ((step, first[step]) for step in steps):
        if plan.is_before_no_return(step, stage.phase):
            lines.append(f"  {step} -. deadline, abort .-> RolledBack")
        elif plan.keeps_both(step, stage.phase):
            lines += [f"  {step} -. deadline .-> Hold", f"  {step} -. abort .-> TurnedRound"]
    return "\n".join([*lines, "```", ""])
