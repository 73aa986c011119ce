#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ask registries and the proxy's pods what reconcile wants to know: Secret registry-questions -> registry-checks."""

from d8registry.adapters.runtime import Outputs, Run, run_hook
from d8registry.kube.operations import apply_secret, read_revision
from d8registry.kube.secrets import build_hook_config, read_text

ASKED = ("registry-questions", "questions")
ANSWERED = ("registry-checks", "checks")
CONFIG = build_hook_config("/modules/registry/probe", "*/5 * * * * *", ASKED, ANSWERED)


def handle(run: Run) -> Outputs:
    """Ask what is due, and remember the answers; what is not asked any more is forgotten with the next answer."""
    asked = next(iter(run.snapshots.get("asked", ())), None)
    answered = next(iter(run.snapshots.get("answered", ())), None)
    text = read_text(asked, "questions")
    if text in ("", "[]"):
        return Outputs()
    from d8registry.checker.asking import plan_asks
    from d8registry.checker.question import parse_questions
    from d8registry.checker.result import parse_results, render_results

    questions, results = parse_questions(text), parse_results(read_text(answered, "checks"))
    asks = plan_asks(questions, results, run.now)
    if not asks:
        return Outputs()
    from d8registry.adapters.probe import fetch_results

    results |= fetch_results(asks, run.now)
    present = [results[question.key] for question in questions if question.key in results]
    checks = {"checks": render_results(present)}
    return Outputs(operations=apply_secret("registry-checks", checks, answered, read_revision(asked)))


if __name__ == "__main__":
    run_hook(CONFIG, handle)
