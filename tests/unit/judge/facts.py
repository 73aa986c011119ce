# SPDX-License-Identifier: Apache-2.0
"""Builders of a good run for the tests of the judge; each test plants one thing in it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from box.judge.allowance import Allowance
from box.judge.facts import Facts, Login, Switch
from box.judge.restarts import Restart
from box.load.pulls import Outcome, Pull, Role
from box.registries.accounts import Owner
from box.registries.journal import Entry, Kind

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
NODES = {"master-0": "10.111.0.10", "worker-0": "10.111.0.20"}
A, B = "registry-a", "registry-b"
LOGINS = {
    "c-platform-a": Login(registry=A, owner=Owner.PLATFORM, user="platform-a"),
    "c-platform-b": Login(registry=B, owner=Owner.PLATFORM, user="platform-b"),
    "c-tenant-a": Login(registry=A, owner=Owner.TENANT, user="tenant"),
    "c-tenant-b": Login(registry=B, owner=Owner.TENANT, user="tenant"),
}
TENANTS = {"sha256:t1": A, "sha256:tlayer1": A}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def make_pull(**changes: Any) -> Pull:
    facts: dict[str, Any] = {
        "node": "master-0",
        "address": NODES[changes.get("node", "master-0")],
        "namespace": "d8-monitoring",
        "role": Role.OLD,
        "base": "registry-a.box.test/deckhouse/ee",
        "digest": "sha256:m1",
        "blobs": frozenset({"sha256:config1", "sha256:layer1"}),
        "started": at(1),
        "ended": at(3),
        "step_at_start": "CheckImages",
        "step_at_end": "CheckImages",
        "outcome": Outcome.PULLED,
    }
    return Pull(**{**facts, **changes})


def make_tenant_pull(**changes: Any) -> Pull:
    facts: dict[str, Any] = {
        "namespace": "team-a",
        "role": Role.TENANT,
        "base": "registry-a.box.test/tenants/app",
        "registry": A,
        "digest": "sha256:t1",
        "blobs": frozenset({"sha256:tlayer1"}),
    }
    return make_pull(**{**facts, **changes})


def make_entry(**changes: Any) -> Entry:
    facts: dict[str, Any] = {
        "time": at(2),
        "registry": A,
        "remote": "10.111.0.10",
        "account": "platform-a",
        "credential": "c-platform-a",
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
    facts: dict[str, Any] = {"remote": pull.address, "time": pull.started + (pull.ended - pull.started) / 2}
    if pull.role is Role.TENANT:
        facts |= {"account": "tenant", "credential": "c-tenant-a", "repository": "tenants/app"}
    return [
        make_entry(reference=pull.digest, **facts),
        *(make_entry(kind=Kind.BLOB, reference=blob, **facts) for blob in sorted(pull.blobs)),
    ]


def make_load() -> list[Pull]:
    """Pulls of both nodes each 2 s over 20 s: old base, then new, each third a tenant's; every one takes 1.5 s."""
    pulls = []
    for node in NODES:
        for number, second in enumerate(range(0, 20, 2)):
            facts: dict[str, Any] = {"node": node, "started": at(second), "ended": at(second + 1.5)}
            if number % 3 == 2:
                pulls.append(make_tenant_pull(**facts))
            else:
                pulls.append(make_pull(**facts, role=Role.OLD if second < 10 else Role.NEW))
    return pulls


def make_switch(**changes: Any) -> Switch:
    facts: dict[str, Any] = {
        "name": "Unmanaged(registry-a) -> Direct(registry-b)",
        "started": at(0),
        "before": frozenset({A}),
        "after": frozenset({B}),
        "allowance": Allowance(deckhouse=1, workloads=1, containerd=1),
        "ended": at(20),
    }
    return Switch(**{**facts, **changes})


def make_restart(
    seconds: float,
    owner: str = "Deployment d8-system/deckhouse",
    container: str = "deckhouse",
    *,
    how: str = "in a new pod",
    node: str = "master-0",
) -> Restart:
    return Restart(at=at(seconds), owner=owner, container=container, how=how, node=node)


def make_facts(pulls: list[Pull] | None = None, entries: list[Entry] | None = None, **changes: Any) -> Facts:
    """A good run from A to B, with evidence for each pull unless `entries` are given."""
    made = make_load() if pulls is None else pulls
    seen = [one for pull in made for one in make_evidence(pull)] if entries is None else entries
    facts = Facts(
        nodes=NODES,
        began=at(-10),
        ended=at(30),
        at_first=frozenset({A}),
        switches=(make_switch(),),
        pulls=tuple(made),
        entries=tuple(seen),
        logins=LOGINS,
        tenants_content=TENANTS,
        reloaded=frozenset({"sha256:config1", "sha256:layer1"}),
        restarts=(make_restart(5), make_restart(6, "containerd on master-0", "")),
    )
    return replace(facts, **changes)
