# SPDX-License-Identifier: Apache-2.0
"""Approvals of updates. Factors: group, readiness of each member, waiting, approved, what a node has."""

from typing import Any

from box.platform.approvals import APPROVED, CONFIGURED, WAITING, Candidate, decide_approvals, read_candidate
from box.platform.node_manager import build_roles

WANTED = {"master": "new", "worker": "new"}


def node(name: str, group: str = "worker", **changes: Any) -> Candidate:
    facts: dict[str, Any] = {"is_ready": True, "is_waiting": False, "is_approved": False, "checksum": "old"}
    return Candidate(name=name, group=group, **{**facts, **changes})


def test_one_node_of_a_group_is_approved_at_a_time_and_groups_do_not_wait_for_each_other() -> None:
    nodes = [node("w1", is_waiting=True), node("w0", is_waiting=True), node("m0", "master", is_waiting=True)]
    assert decide_approvals(nodes, WANTED).given == ("m0", "w0")


def test_the_next_node_waits_until_the_approved_one_has_what_its_group_is_to_have() -> None:
    waiting = node("w1", is_waiting=True)
    assert decide_approvals([node("w0", is_approved=True), waiting], WANTED).given == ()
    after = decide_approvals([node("w0", is_approved=True, checksum="new"), waiting], WANTED)
    assert (after.used, after.given) == (("w0",), ("w1",))


def test_an_approval_outlives_a_further_change_of_the_steps() -> None:
    approvals = decide_approvals([node("w0", is_approved=True, checksum="new")], {"worker": "newer"})
    assert (approvals.used, approvals.given) == ((), ())


def test_one_node_that_is_not_ready_stops_its_group_and_no_other() -> None:
    nodes = [node("w0", is_ready=False), node("w1", is_waiting=True), node("m0", "master", is_waiting=True)]
    assert decide_approvals(nodes, WANTED).given == ("m0",)


def test_an_approved_node_that_died_stops_its_group() -> None:
    nodes = [node("w0", is_ready=False, is_approved=True), node("w1", is_waiting=True)]
    assert decide_approvals(nodes, WANTED).given == ()


def test_a_node_is_read_from_its_labels_annotations_and_conditions() -> None:
    item = {
        "metadata": {
            "name": "w0",
            "labels": {"node.deckhouse.io/group": "worker"},
            "annotations": {WAITING: "", CONFIGURED: "abc"},
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert read_candidate(item) == node("w0", is_waiting=True, checksum="abc")
    item["metadata"]["annotations"] = {APPROVED: ""}  # type: ignore[index]
    assert read_candidate(item) == node("w0", is_approved=True, checksum="")


def test_masters_get_both_role_labels_and_a_node_of_no_group_none() -> None:
    assert set(build_roles({"node.deckhouse.io/group": "master"})) == {
        "node-role.kubernetes.io/master",
        "node-role.kubernetes.io/control-plane",
    }
    assert build_roles({"node.deckhouse.io/group": "worker"}) == {"node-role.kubernetes.io/worker": ""}
    assert build_roles({}) == {}
