# SPDX-License-Identifier: Apache-2.0
"""Restarts from looks that follow each other."""

from typing import Any

from box.judge.restarts import History, Look, read_containers
from box.load.pods import LOAD_LABEL
from tests.unit.judge.facts import at


def make_pod(name: str, uid: str, restarts: int = 0, kind: str = "ReplicaSet", node: str = "", **labels: str) -> Any:
    suffix = "-6d4f" if kind == "ReplicaSet" else ""
    return {
        "metadata": {
            "name": f"{name}-6d4f-{uid}",
            "namespace": "d8-system",
            "uid": uid,
            "labels": {"pod-template-hash": "6d4f", **labels},
            "ownerReferences": [{"kind": kind, "name": f"{name}{suffix}", "controller": True}],
        },
        "spec": {"nodeName": node},
        "status": {"containerStatuses": [{"name": "main", "restartCount": restarts}]},
    }


def replay(*looks: tuple[list[Any], dict[str, str]]) -> list[str]:
    history = History()
    for second, (pods, containerds) in enumerate(looks):
        history.add(Look(at=at(second), containers=read_containers(pods), containerds=containerds))
    return [one.describe() for one in history.list_restarts()]


def test_new_pods_restarts_in_place_and_containerd_are_counted_each_time() -> None:
    assert replay(
        ([make_pod("deckhouse", "1"), make_pod("webhook", "2", 1)], {"master-0": "10 5"}),
        ([], {"master-0": ""}),  # Recreate: the pod is gone for a while, and so is containerd
        ([make_pod("deckhouse", "3"), make_pod("webhook", "2", 3)], {"master-0": "99 70"}),
        ([make_pod("deckhouse", "4"), make_pod("webhook", "2", 3)], {"master-0": "99 70"}),
    ) == [
        "Deployment d8-system/deckhouse container main: in a new pod",
        "Deployment d8-system/webhook container main: in place",
        "Deployment d8-system/webhook container main: in place",
        "containerd on master-0",
        "Deployment d8-system/deckhouse container main: in a new pod",
    ]


def test_what_is_new_is_no_restart() -> None:
    assert (
        replay(
            ([make_pod("exporter", "1", node="master-0", kind="DaemonSet")], {"master-0": "1 1"}),
            (
                [
                    make_pod("exporter", "1", node="master-0", kind="DaemonSet"),
                    make_pod("exporter", "2", node="worker-9", kind="DaemonSet"),
                    make_pod("proxy", "3"),
                    make_pod("load", "4", 9, **{LOAD_LABEL: "pull"}),
                ],
                {"master-0": "1 1", "worker-9": "2 2"},
            ),
        )
        == []
    )


def test_two_replicas_that_come_together_are_no_restart_of_each_other() -> None:
    assert replay(([], {}), ([make_pod("proxy", "1"), make_pod("proxy", "2")], {})) == []


def test_a_pod_that_replaces_another_and_has_restarted_since_counts_for_both() -> None:
    found = replay(([make_pod("x", "1")], {}), ([make_pod("x", "2", 1)], {}))
    assert found == [
        "Deployment d8-system/x container main: in a new pod",
        "Deployment d8-system/x container main: in place",
    ]
