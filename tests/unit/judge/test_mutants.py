# SPDX-License-Identifier: Apache-2.0
"""The judge's own mutants: each kind of violation, planted once into a good run, fails it by its rule and no other.

Factors: what is planted (a pull, a request, a restart, a text, a remain) · when (before, in, after the switch).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from box.judge.facts import Facts, PowerCut
from box.judge.verdict import RULES, add_remains, reach_verdict
from box.load.pulls import Outcome
from box.registries.journal import Entry, Kind
from tests.unit.judge.facts import A, B, at, make_entry, make_facts, make_pull, make_restart, make_tenant_pull


def test_a_good_run_has_no_violation_and_all_its_pulls_count() -> None:
    verdict = reach_verdict(make_facts())
    assert verdict.violations == ()
    assert verdict.is_good
    assert verdict.describe() == "pulls=20 failed_pulls=0 excused=0 cut=0 restarted=2 violations=0"


def add_pull(**changes: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, pulls=(*facts.pulls, make_pull(**changes)))


def add_entry(**changes: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, entries=(*facts.entries, make_entry(**changes)))


def add_restart(*restarts: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, restarts=(*facts.restarts, *restarts))


def add_power_cut(*restarts: Any) -> Callable[[Facts], Facts]:
    """Restarts in a run in which master-0 was without power from second 2 on."""
    cut = PowerCut(node="master-0", started=at(2))
    return lambda facts: replace(add_restart(*restarts)(facts), power_cuts=(cut,))


def change(**fields: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, **fields)


TENANT_LOGIN = {"account": "tenant", "credential": "c-tenant-a"}
MUTANTS = [
    ("failed pull", "a failed pull", add_pull(outcome=Outcome.FAILED, reason="ErrImagePull: 401")),
    ("failed pull", "a pull cut by no restart", add_pull(node="worker-0", outcome=Outcome.CUT, reason="EOF")),
    ("unproven pull", "a pull that no registry saw", add_pull(digest="sha256:unseen", blobs=frozenset({"sha256:u"}))),
    ("unproven pull", "a pod that never came to its pull", add_pull(outcome=Outcome.UNCLEAR, reason="no pull in 60 s")),
    ("unproven pull", "a try that broke", change(broken=("worker-0: ConnectionError",))),
    (
        "tenant abroad",
        "a tenant's login at the platform's new registry",
        add_entry(registry=B, repository="mirror/d8/se", reference="sha256:x", **TENANT_LOGIN),
    ),
    (
        "tenant abroad",
        "a tenant's login at another registry, refused",
        add_entry(registry=B, repository="tenants/app", reference="sha256:x", status=401, refused=True, **TENANT_LOGIN),
    ),
    (
        "tenant abroad",
        "a tenant's image asked of another registry by its digest, rewritten, without a login",
        add_entry(registry=B, repository="mirror/d8/se", reference="sha256:t1", account="", credential="", status=404),
    ),
    (
        "platform abroad",
        "the old registry's login at the new one before the switch",
        add_entry(registry=B, time=at(-5), reference="sha256:x"),
    ),
    (
        "platform abroad",
        "the old registry's login at the new one after the switch",
        add_entry(registry=B, time=at(26), reference="sha256:x"),
    ),
    (
        "platform abroad",
        "the new login at the old registry after the switch",
        add_entry(time=at(26), account="platform-b", credential="c-platform-b", reference="sha256:x"),
    ),
    (
        "platform abroad",
        "the old login at its own registry long after it is no source",
        add_entry(time=at(26), reference="sha256:x"),
    ),
    (
        "platform abroad",
        "a login at a third registry in the switch",
        add_entry(registry="registry-http", reference="sha256:x"),
    ),
    ("platform abroad", "a login that nobody issued", add_entry(credential="c-unknown", reference="sha256:x")),
    (
        "stray request",
        "a request without a login at a third registry",
        add_entry(registry="registry-hiding", account="", credential="", status=401, reference="sha256:x"),
    ),
    ("secret shown", "a password in a log", change(leaks=("operator.log",))),
    ("restarted", "deckhouse once more than the table", add_restart(make_restart(8))),
    ("restarted", "a restart before the switch", add_restart(make_restart(-5))),
    ("restarted", "containerd twice on a node", add_restart(make_restart(9, "containerd on master-0", ""))),
    (
        "restarted",
        "a workload twice",
        add_restart(*(make_restart(second, "Deployment d8-x/y", "main") for second in (7, 9))),
    ),
    (
        "restarted",
        "one restart more than the boot and the table after a power cut",
        add_power_cut(*(make_restart(second, "DaemonSet d8-x/y", "main", how="in place") for second in (7, 8, 9))),
    ),
    (
        "restarted",
        "a restart on another node than the one without power",
        add_power_cut(
            make_restart(7, how="in place", node="worker-0"), make_restart(8, how="in place", node="worker-0")
        ),
    ),
    ("restarted", "a new pod after a power cut", add_power_cut(make_restart(9))),
    ("restarted", "a restart before the power cut", add_power_cut(make_restart(1, how="in place"))),
    ("left over", "a process after down", change(remains=("process 7",))),
    (
        "downloaded twice",
        "a layer of the platform fetched twice by a node",
        lambda facts: add_entry(kind=Kind.BLOB, reference="sha256:w", time=at(4))(
            add_entry(kind=Kind.BLOB, reference="sha256:w")(facts)
        ),
    ),
]


@pytest.mark.parametrize(("rule", "plant"), [pytest.param(rule, plant, id=name) for rule, name, plant in MUTANTS])
def test_each_planted_violation_fails_the_run_by_its_rule(rule: str, plant: Callable[[Facts], Facts]) -> None:
    verdict = reach_verdict(plant(make_facts()))
    assert not verdict.is_good
    assert {one.rule for one in verdict.violations} == {rule}


def test_every_rule_has_a_mutant() -> None:
    planted = {rule for rule, _, _ in MUTANTS}
    assert len(planted) == len(RULES) - 1, "two rules find failed pulls"


def test_the_first_start_of_what_ran_on_a_node_whose_power_was_cut_is_no_violation() -> None:
    restarts = [make_restart(7, how="in place"), make_restart(7, "containerd on master-0", "", how="in place")]
    restarts += [make_restart(8, "Job d8-x/y-1", "main", node="worker-0") for _ in range(2)]
    assert not reach_verdict(add_restart(*restarts)(make_facts())).is_good
    assert reach_verdict(add_power_cut(*restarts)(make_facts())).is_good


def test_what_a_job_does_again_after_a_restore_is_no_violation_and_anything_else_is() -> None:
    jobs = add_restart(*(make_restart(second, "Job d8-x/y-1", "main", node="worker-0") for second in (7, 8, 9)))
    restored = replace(make_facts(), restores=(at(6),))
    assert not reach_verdict(jobs(make_facts())).is_good
    assert not reach_verdict(jobs(replace(restored, restores=(at(9),)))).is_good
    assert reach_verdict(jobs(restored)).is_good
    others = add_restart(*(make_restart(second, "Deployment d8-x/y", "main") for second in (7, 8, 9)))
    assert not reach_verdict(others(restored)).is_good


def test_a_pull_that_a_restart_of_containerd_cut_is_told_apart() -> None:
    cut = make_pull(outcome=Outcome.CUT, reason="error reading from server: EOF", started=at(5), ended=at(6))
    facts = make_facts()
    verdict = reach_verdict(replace(facts, pulls=(*facts.pulls, cut)))
    assert (verdict.violations, verdict.cut, len(verdict.counted)) == ((), (cut,), len(facts.pulls))


def test_a_layer_that_comes_twice_within_one_pull_is_found() -> None:
    pull = make_tenant_pull(started=at(4), ended=at(5.5))
    facts = make_facts()
    (layer,) = pull.blobs
    again = [one for one in facts.entries if one.reference == layer and one.remote == pull.address][:1]
    verdict = reach_verdict(replace(facts, entries=(*facts.entries, *again)))
    assert {one.rule for one in verdict.violations} == {"downloaded twice"}


def allow(**changes: Any) -> Entry:
    return make_entry(**{"reference": "sha256:x", **changes})


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(allow(registry=B, status=401, refused=True), id="the old login at the new registry in the switch"),
        pytest.param(allow(account="platform-b", credential="c-platform-b", status=401), id="and the other way round"),
        pytest.param(allow(registry=B, account="platform-b", credential="c-platform-b", time=at(29)), id="new at rest"),
        pytest.param(allow(time=at(-9)), id="old at rest"),
        pytest.param(allow(time=at(24)), id="under way when the switch ended"),
        pytest.param(allow(registry=B, account="", credential="", status=401), id="a challenge of a source"),
        pytest.param(
            allow(registry=B, repository="tenants/app", account="tenant", credential="c-tenant-b"), id="B's own tenant"
        ),
        pytest.param(
            allow(registry=B, repository="tenants/app", account="", credential="", time=at(-9)),
            id="his challenge",
        ),
        pytest.param(allow(registry="registry-http", time=at(-60)), id="before the run"),
    ],
)
def test_what_a_switch_causes_by_design_is_no_violation(entry: Entry) -> None:
    facts = make_facts()
    assert reach_verdict(replace(facts, entries=(*facts.entries, entry))).violations == ()


@pytest.mark.parametrize("field", ["proof_blobs", "reloaded"])
def test_the_proofs_layer_and_what_the_load_removed_may_come_again(field: str) -> None:
    facts = make_facts()
    facts = replace(facts, **{field: frozenset({"sha256:w"}) | getattr(facts, field)})
    entries = [make_entry(kind=Kind.BLOB, reference="sha256:w", time=at(second)) for second in (2, 12)]
    assert reach_verdict(replace(facts, entries=(*facts.entries, *entries))).violations == ()


def test_what_a_store_gives_counts_once_where_it_was_asked_for() -> None:
    sent_on = make_entry(kind=Kind.BLOB, reference="sha256:w", status=307)
    stored = make_entry(kind=Kind.BLOB, reference="sha256:w", registry=f"{A}-store", account="", credential="")
    facts = make_facts()
    assert reach_verdict(replace(facts, entries=(*facts.entries, sent_on, stored))).violations == ()


def test_a_login_shown_to_an_object_store_of_no_source_is_found() -> None:
    stored = make_entry(kind=Kind.BLOB, reference="sha256:x", registry="registry-redirecting-store", status=400)
    facts = make_facts()
    verdict = reach_verdict(replace(facts, entries=(*facts.entries, stored)))
    assert [one.rule for one in verdict.violations] == ["platform abroad"]


def test_remains_are_added_once_the_box_is_down() -> None:
    verdict = add_remains(reach_verdict(make_facts()), ("folder /run/x",))
    assert [str(one) for one in verdict.violations] == ["left over: folder /run/x"]
