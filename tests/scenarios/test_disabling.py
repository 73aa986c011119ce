# SPDX-License-Identifier: Apache-2.0
"""The module disabled and enabled. Factors: at rest (Unmanaged, Direct), every step of a switch x a crash, a race."""

from __future__ import annotations

import json

import pytest
from d8registry.adapters.leaving import leave

from tests.support.memory_cluster import HOST, MemoryCluster, direct

FIXED = "registry.d8-system.svc:5001"
STEPS = ["CheckImages", "AddSource", "StartProxy", "SwitchAddress", "PreferNew", "FinaliseNodes", "CleanUp"]


def build_cluster() -> MemoryCluster:
    made = MemoryCluster()
    made.settle()
    made.report()
    made.settle()
    return made


def switch_until(cluster: MemoryCluster, step: str) -> None:
    """Let the world move until `step` is the present one; empty: until the switch is over."""
    for _ in range(80):
        cluster.settle()
        if cluster.step().partition("/")[0] == step:
            return
        cluster.world()
        cluster.wait(5)
    raise AssertionError(f"{step} was not reached, but {cluster.step()}: {cluster.condition('Ready')}")


def snapshot(cluster: MemoryCluster) -> dict[str, dict[str, str]]:
    return {name: cluster.data(name) for name in cluster.kube.names("Secret") - {"registry-state"}}


def undone_switch() -> MemoryCluster:
    """A cluster in Unmanaged whose nodes pull by a folder of ours: a switch was begun and undone."""
    cluster = build_cluster()
    cluster.edit(direct())
    switch_until(cluster, "StartProxy")
    cluster.edit({"mode": "Unmanaged"})
    switch_until(cluster, "")
    cluster.world()
    cluster.settle()
    assert HOST in cluster.folders("worker-0")
    return cluster


@pytest.mark.parametrize("step", [*STEPS, ""])
def test_disabled_on_the_way_to_direct_nothing_that_pulls_depend_on_is_touched(step: str) -> None:
    cluster = build_cluster()
    cluster.edit(direct())
    cluster.settle()
    switch_until(cluster, step)
    before = snapshot(cluster)
    first, last = cluster.disable()
    assert snapshot(cluster) == before
    assert last.operations == ()
    assert cluster.kube.names("NodeGroupConfiguration") == {"registry-node.sh"}
    ready = cluster.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Disabled")
    assert "goes on working" in first.warnings[0]


@pytest.mark.parametrize("step", STEPS)
def test_enabled_again_the_switch_goes_on_where_it_was_however_long_it_took(step: str) -> None:
    cluster = build_cluster()
    cluster.edit(direct())
    cluster.settle()
    switch_until(cluster, step)
    cluster.disable()
    cluster.wait(7 * 24 * 3600)
    cluster.settle()
    assert cluster.step()  # neither given up for lateness nor rolled back
    switch_until(cluster, "")
    assert cluster.text("registry-state", "mode") == "Direct"
    assert cluster.condition("Ready")["status"] == "True"


def test_enabled_again_in_direct_the_proxy_is_kept_from_the_first_helm_run_on() -> None:
    cluster = build_cluster()
    cluster.edit(direct())
    switch_until(cluster, "")
    switch_until(cluster, "")
    cluster.disable()
    cluster.run()
    assert cluster.values["internal"]["proxy"] == {"enabled": True, "replicas": 1}


def test_disabled_in_unmanaged_the_nodes_get_a_plan_that_uninstalls_and_the_rest_goes() -> None:
    cluster = undone_switch()
    counter = cluster.plan().counter
    first, _ = cluster.disable()
    plan = cluster.plan()
    assert plan.uninstall
    assert plan.counter > counter
    assert cluster.kube.names("NodeGroupConfiguration") == set()
    left = {"registry-state", "registry-node-plan", "deckhouse-registry"}
    assert cluster.kube.names("Secret") == left
    assert "removes itself" in first.warnings[0]
    assert cluster.data("deckhouse-registry")["address"] == HOST


def test_disabled_before_any_switch_the_node_program_goes_all_the_same() -> None:
    cluster = build_cluster()
    cluster.disable()
    assert cluster.plan().uninstall


def test_enabled_again_after_leaving_the_cluster_is_as_if_met_for_the_first_time() -> None:
    cluster = undone_switch()
    cluster.disable()
    counter = cluster.plan().counter
    cluster.settle()
    assert not cluster.plan().uninstall
    assert cluster.plan().counter > counter
    assert cluster.folders("worker-0") == {}
    assert cluster.data("registry-bashible-config") == {}
    cluster.edit(direct())
    switch_until(cluster, "CheckImages")
    switch_until(cluster, "")
    assert list(cluster.folders("worker-0")) == [FIXED]


def test_an_operator_that_dies_between_the_two_halves_of_leaving_leaves_nodes_what_they_pull_by() -> None:
    cluster = undone_switch()
    cluster.apply(leave(cluster.read(["beforeDeleteHelm"])))
    cluster.values = {"internal": {"proxy": {"enabled": False, "replicas": 0}}}
    cluster.settle()
    assert HOST in cluster.folders("worker-0")
    assert cluster.data("registry-bashible-config") != {}


def test_a_switch_that_began_while_the_module_was_being_disabled_keeps_the_nodes() -> None:
    """A run of reconcile that was under way writes its state after the mark was taken from the snapshot."""
    cluster = undone_switch()
    late = cluster.read(["beforeDeleteHelm"])
    cluster.edit(direct())
    cluster.run()
    cluster.apply(leave(late))
    after = leave(cluster.read(["afterDeleteHelm"]), lambda name: cluster.kube.find("Secret", name))
    assert after.operations == ()
    assert not cluster.plan().uninstall


def test_disabled_with_an_unreadable_state_nothing_is_changed() -> None:
    cluster = undone_switch()
    cluster.put_secret("registry-state", {"state": "{broken"})
    before = snapshot(cluster)
    first, last = cluster.disable()
    assert (first.operations, last.operations) == ((), ())
    assert "registry-state" in first.warnings[0]
    assert snapshot(cluster) == before


def test_no_password_is_in_what_the_operator_logs() -> None:
    cluster = undone_switch()
    first, last = cluster.disable()
    assert "pass-" not in json.dumps([*first.warnings, *last.warnings])
