# SPDX-License-Identifier: Apache-2.0
"""Nodes that are away, join, come back from another time, or cannot be prepared.

Factors: master or worker x how long away x the step x what they say when they are back.
"""

from __future__ import annotations

import pytest

from tests.scenarios.direct import OTHER, go_on, make_direct, sources
from tests.support.memory_cluster import MemoryCluster, direct

TO_OTHER = direct(imagesRepo=f"{OTHER}/deckhouse/ee", password="new-pass")


def go_on_without(cluster: MemoryCluster, away: set[str], until: str = "") -> None:
    """Let the world move, but for some nodes."""
    names = sorted(cluster.kube.names("Node") - away)
    for _ in range(120):
        cluster.settle()
        if cluster.step() == until:
            return
        cluster.report(names)
        cluster.answer()
        cluster.take_over()
        cluster.follow_copies()
        cluster.collect()
        cluster.wait(10)
    raise AssertionError(f"{until or 'rest'} was not reached, but {cluster.step()}: {cluster.condition('Ready')}")


def test_a_worker_that_is_away_is_waited_for_and_then_left_behind_by_name() -> None:
    cluster = make_direct()
    cluster.edit(TO_OTHER)
    cluster.lose("worker-1")
    begun = cluster.now
    go_on_without(cluster, {"worker-1"})
    assert (cluster.now - begun).total_seconds() > 600
    assert cluster.text("registry-state", "revoke").startswith("no, because Node worker-1")
    assert "Node worker-1" in cluster.condition("Ready")["message"]
    cluster.come_back("worker-1")
    cluster.report(["worker-1"])
    cluster.settle()
    assert cluster.text("registry-state", "revoke").startswith("yes")


def test_a_master_that_is_away_holds_the_switch_unless_it_is_annotated() -> None:
    cluster = make_direct()
    cluster.join("master-1", "master")
    cluster.report()
    cluster.settle()
    cluster.lose("master-1")
    cluster.edit(TO_OTHER)
    with pytest.raises(AssertionError, match="master-1"):
        go_on_without(cluster, {"master-1"})
    cluster.mark_away("master-1")
    cluster.annotate("retry", "1")
    go_on_without(cluster, {"master-1"})
    assert cluster.text("registry-state", "revoke").startswith("no, because Node master-1")


def test_a_node_that_joins_counts_from_the_moment() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="PreferNew/all")
    cluster.join("worker-9")
    with pytest.raises(AssertionError, match="worker-9"):
        go_on_without(cluster, {"worker-9"})
    cluster.report(["worker-9"])
    cluster.annotate("retry", "1")
    go_on(cluster)
    assert len(sources(cluster, "worker-9")) == 1


def test_a_group_whose_approvals_a_dead_node_blocks_is_named_with_it() -> None:
    cluster = MemoryCluster()
    cluster.settle()
    cluster.report(configPath=False)
    cluster.lose("worker-1")
    cluster.edit(direct())
    cluster.settle()
    cluster.answer()
    cluster.settle()
    cluster.wait(700)  # past the grace time, and still no reachable node is passed over
    cluster.settle()
    assert cluster.step() == "PrepareNodes/all"
    message = cluster.condition("TransitionContainerdConfigReady")["message"]
    assert "NodeGroup worker approves no change while worker-1 is not Ready" in message
    assert "worker-0" in message


def test_a_foreign_agent_on_a_node_is_a_guard_that_names_both() -> None:
    cluster = make_direct()
    cluster.report(["worker-1"], foreignAgent="registry-agent of the platform")
    cluster.edit(TO_OTHER)
    cluster.settle()
    cluster.answer()
    cluster.settle()
    condition = cluster.condition("ContainerdConfigPreflightReady")
    assert condition["reason"] == "ForeignManager"
    assert "worker-1 (registry-agent of the platform)" in condition["message"]


@pytest.mark.parametrize("step", ["AddSource/all", "PreferNew/all", "FinaliseNodes/all"])
def test_after_a_restored_etcd_nothing_is_concluded_before_every_node_has_answered_anew(step: str) -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until=step)
    epoch, counter = cluster.plan().epoch, cluster.plan().counter
    cluster.report(["worker-0"], result="restored")
    cluster.settle()
    plan = cluster.plan()
    assert plan.epoch != epoch
    assert plan.counter >= counter + 1000
    assert "restored from a backup" in cluster.condition("Ready")["message"]
    cluster.report(["master-0", "worker-0"])
    cluster.settle()
    assert cluster.step() == step
    assert "worker-1" in cluster.condition("Ready")["message"]
    cluster.report(["worker-1"])
    go_on(cluster)


def test_a_restored_etcd_is_noticed_at_rest_too() -> None:
    cluster = make_direct()
    cluster.report(["worker-0"], result="restored")
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "StateRestored"
    cluster.report()
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"


@pytest.mark.parametrize(
    ("restored", "other", "kept"),
    [(True, False, True), (False, True, True), (False, None, True), (False, False, False)],
    ids=["it pulls by it", "another one does", "another one has not said", "nobody does"],
)
def test_an_etcd_restored_to_before_the_first_switch_leaves_nodes_the_folder_that_they_pull_by(
    restored: bool, other: bool | None, kept: bool
) -> None:
    cluster = MemoryCluster()
    cluster.settle()
    cluster.report(["master-0"], configPath=False)
    if other is not None:
        cluster.report(["worker-1"], configPath=other)
    cluster.settle()
    cluster.report(["worker-0"], result="restored", configPath=restored)
    cluster.settle()
    plan = cluster.plan()
    assert [folder.name for folder in plan.get_layout(plan.default).folders] == (
        ["registry.example.com"] if kept else []
    )


def test_an_operator_that_starts_asks_every_node_once_more_before_it_goes_on() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="AddSource/all")
    cluster.report()
    cluster.values = {"internal": {"proxy": {"enabled": True, "replicas": 1}}}
    cluster.settle()
    assert cluster.step() == "AddSource/all"
    cluster.report()
    cluster.settle()
    assert cluster.step() != "AddSource/all"


def test_an_operator_that_starts_at_rest_changes_no_plan() -> None:
    cluster = make_direct()
    counter = cluster.plan().counter
    cluster.values = {"internal": {"proxy": {"enabled": False, "replicas": 0}}}
    cluster.settle()
    assert cluster.plan().counter == counter
