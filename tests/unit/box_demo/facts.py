# SPDX-License-Identifier: Apache-2.0
"""Builders of pulls, requests and results for the tests of the demo's judge."""

from datetime import UTC, datetime, timedelta
from typing import Any

from box.demo.pulls import Outcome, Pull, judge_pulls
from box.demo.summary import Proof, Result
from box.demo.timing import StepSpan
from box.registries.journal import Entry, Kind

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
NODES = {"master-0": "10.111.0.10", "worker-0": "10.111.0.20"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def make_pull(**changes: Any) -> Pull:
    facts: dict[str, Any] = {
        "node": "master-0",
        "address": NODES[changes.get("node", "master-0")],
        "namespace": "d8-monitoring",
        "base": "old",
        "digest": "sha256:m1",
        "blobs": frozenset({"sha256:config1", "sha256:layer1"}),
        "started": at(1),
        "ended": at(3),
        "step_at_start": "CheckImages",
        "step_at_end": "CheckImages",
        "outcome": Outcome.PULLED,
    }
    return Pull(**{**facts, **changes})


def make_request(**changes: Any) -> Entry:
    facts: dict[str, Any] = {
        "time": at(2),
        "remote": "10.111.0.10",
        "registry": "registry-a",
        "account": "platform-a",
        "credential": "c0",
        "refused": False,
        "method": "GET",
        "kind": Kind.MANIFEST,
        "repository": "deckhouse/ee",
        "reference": "sha256:m1",
        "uri": "",
        "status": 200,
        "agent": "containerd",
    }
    return Entry(**{**facts, **changes})


def make_evidence(pull: Pull) -> list[Entry]:
    middle = pull.started + (pull.ended - pull.started) / 2
    facts = {"remote": pull.address, "time": middle}
    return [
        make_request(reference=pull.digest, **facts),
        make_request(kind=Kind.BLOB, reference=sorted(pull.blobs)[0], **facts),
    ]


def make_load() -> list[Pull]:
    """Pulls of both nodes each 2 s over 20 s: old base, then new; every one takes 1.5 s."""
    return [
        make_pull(node=node, started=at(second), ended=at(second + 1.5), base="old" if second < 10 else "new")
        for node in NODES
        for second in range(0, 20, 2)
    ]


def make_result(pulls: list[Pull] | None = None, requests: list[Entry] | None = None, **changes: Any) -> Result:
    made = make_load() if pulls is None else pulls
    seen = [one for pull in made for one in make_evidence(pull)] if requests is None else requests
    facts: dict[str, Any] = {
        "nodes": tuple(NODES),
        "edited": at(0),
        "ready": at(20),
        "stopped": "",
        "spans": (
            StepSpan(name="CheckImages", started=at(0), ended=at(8)),
            StepSpan(name="CleanUp", started=at(8), ended=at(20)),
        ),
        "pulls": tuple(made),
        "judgement": judge_pulls(made, seen),
        "broken": (),
        "restarted": ("containerd on master-0",),
        "proofs": (Proof(name="pods", detail="all"),),
        "leaks": (),
    }
    return Result(**{**facts, **changes})
