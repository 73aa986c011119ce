# SPDX-License-Identifier: Apache-2.0
"""Faults of the API have their effect: the server away, objects deleted and edited. Nothing of the module is asked."""

import pytest

from tests.support.box_command import await_that, box, fetch, list_lasting_containers, list_tasks, run

pytestmark = [pytest.mark.box, pytest.mark.timeout(300)]

COPY = ("secret", "deckhouse-registry", "-n", "d8-monitoring")


def test_without_its_api_server_the_cluster_does_not_answer_and_containers_live_on() -> None:
    containers = list_lasting_containers("worker-0")
    assert containers
    run("api", "down")
    assert box("kubectl", "get", "nodes", "--request-timeout=3s").returncode != 0
    assert containers <= list_tasks("worker-0")
    run("api", "up")
    assert fetch("nodes")["items"]


def test_a_deleted_copy_of_the_pull_secret_is_gone_until_the_platform_makes_it_anew() -> None:
    before = fetch(*COPY)
    assert "Secret d8-monitoring/deckhouse-registry is deleted" in run("api", "delete", *COPY)
    await_that("another copy", lambda: is_another(before["metadata"]["uid"]))
    assert fetch(*COPY)["data"] == before["data"]


def is_another(uid: str) -> bool:
    found = box("kubectl", "get", *COPY, "-o", "jsonpath={.metadata.uid}")
    return found.returncode == 0 and found.stdout != uid


def test_an_edited_object_holds_what_was_merged_into_it_and_no_longer_what_was_taken_away() -> None:
    run("kubectl", "create", "configmap", "fault-edit", "--from-literal=gone=1", "--from-literal=kept=2")
    try:
        run("api", "edit", "cm", "fault-edit", "-n", "default", "{data: {gone: null, new: '3'}}")
        assert fetch("configmap", "fault-edit")["data"] == {"kept": "2", "new": "3"}
        again = box("api", "edit", "cm", "fault-edit", "-n", "default", "{data: {new: '3'}}")
        assert (again.returncode, "is so already" in again.stderr) == (1, True)
    finally:
        run("api", "delete", "configmap", "fault-edit", "-n", "default")
    gone = box("api", "delete", "configmap", "fault-edit", "-n", "default")
    assert (gone.returncode, "there is no ConfigMap default/fault-edit" in gone.stderr) == (1, True)
