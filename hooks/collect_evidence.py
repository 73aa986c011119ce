#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Look for what still uses the old registry while reconcile asks: Secret registry-questions -> registry-evidence."""

from dataclasses import replace

from d8registry.adapters.runtime import Outputs, Run, run_hook
from d8registry.kube.operations import apply_secret, read_revision
from d8registry.kube.secrets import build_hook_config, read_text

ASKED = ("registry-questions", "evidence")
ANSWERED = ("registry-evidence", "evidence")
CONFIG = build_hook_config("/modules/registry/evidence", "*/5 * * * * *", ASKED, ANSWERED)


def handle(run: Run) -> Outputs:
    """Collect while asked; write only what differs in more than its time."""
    asked = next(iter(run.snapshots.get("asked", ())), None)
    answered = next(iter(run.snapshots.get("answered", ())), None)
    text = read_text(asked, "evidence")
    if text in ("", "null"):
        return Outputs()
    from d8registry.adapters.evidence_collector import collect_evidence
    from d8registry.evidence.answer import parse_evidence, remember_seen, render_evidence
    from d8registry.evidence.question import parse_question

    question, before = parse_question(text), parse_evidence(read_text(answered, "evidence"))
    if question is None:
        return Outputs()
    evidence = remember_seen(collect_evidence(question, run.now), before)
    if before is not None and replace(before, at=evidence.at) == evidence:
        return Outputs()
    data = {"evidence": render_evidence(evidence)}
    return Outputs(operations=apply_secret("registry-evidence", data, answered, read_revision(asked)))


if __name__ == "__main__":
    run_hook(CONFIG, handle)
