# SPDX-License-Identifier: Apache-2.0
"""The page of transitions, written from the plans themselves."""

from itertools import pairwise

from d8registry.pki.trust import Trust
from d8registry.switching.plans import ROLL_BACKS, ROTATE_AUTHORITY, TRANSITIONS, Plan

_HEAD = """# Transitions

Written from `lib/python/d8registry/switching/plans.py` by `make golden`; do not edit.

Words: nodes and the platform's text have the `old` source, `both`, or the `new` one; the address is `untouched`, holds
the entries of `both` bases, or the `new` one alone.
"""


def render_transitions() -> str:
    """Render docs/internal/TRANSITIONS.md."""
    parts = [_HEAD]
    for (before, after), plan in TRANSITIONS.items():
        parts.append(f"\n## {before} to {after} (`{plan.name}`)\n\n{_render_table(plan)}\n{_render_diagram(plan)}")
    for mode, plan in ROLL_BACKS.items():
        parts.append(f"\n## Rollback to {mode} (`{plan.name}`)\n\n{_render_table(plan)}")
    parts.append(f"\n## Another authority of the module's own (`{ROTATE_AUTHORITY.name}`)\n\n{_render_trust()}")
    return "".join(parts)


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
            lines.append(f"  {step} -. deadline .-> Hold")
    return "\n".join([*lines, "```", ""])
