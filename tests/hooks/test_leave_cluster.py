# SPDX-License-Identifier: Apache-2.0
"""hooks/leave_cluster.py as a process: it runs around the removal of the release and at no other time."""

import json

from tests.support.hook_process import run_hook_file


def test_the_configuration_is_pure_json_and_binds_to_the_removal_alone() -> None:
    process = run_hook_file("leave_cluster.py", "", arguments=["--config"])
    assert (process.status, process.stderr) == (0, "")
    config = json.loads(process.stdout)
    assert set(config) == {"configVersion", "beforeDeleteHelm", "afterDeleteHelm", "kubernetes"}
    (secrets,) = config["kubernetes"]
    assert (secrets["executeHookOnSynchronization"], secrets["executeHookOnEvent"]) == (False, [])


def test_a_cluster_without_a_state_is_left_as_it_is() -> None:
    contexts = json.dumps([{"binding": "beforeDeleteHelm", "snapshots": {"secrets": []}}])
    process = run_hook_file("leave_cluster.py", contexts)
    assert (process.status, process.stderr, process.operations) == (0, "", ())


def test_an_api_that_is_away_is_one_human_line_and_a_run_that_is_tried_again() -> None:
    """Whether nodes are to be left must be known for certain."""
    contexts = json.dumps([{"binding": "afterDeleteHelm", "snapshots": {"secrets": []}}])
    process = run_hook_file("leave_cluster.py", contexts, environment={"KUBECONFIG": "/nonexistent"})
    assert process.status == 1
    assert process.stderr.count("\n") == 1
    assert "Kubernetes API" in process.stderr
