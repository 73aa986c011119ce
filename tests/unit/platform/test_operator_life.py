# SPDX-License-Identifier: Apache-2.0
"""Which container the operator belongs to, and who belongs to the operator."""

import subprocess
import time
from typing import Any

import pytest

from box.platform.operator_life import find_container, list_descendants


def pod(state: str, *, deleted: bool = False) -> dict[str, Any]:
    metadata = {"name": "deckhouse", **({"deletionTimestamp": "2026-11-24T00:00:00Z"} if deleted else {})}
    statuses = [{"containerID": "containerd://abc", "state": {state: {}}}] if state else []
    return {"metadata": metadata, "status": {"containerStatuses": statuses}}


@pytest.mark.parametrize(
    ("pods", "found"),
    [
        pytest.param([], "", id="no pod"),
        pytest.param([pod("")], "", id="not started"),
        pytest.param([pod("waiting")], "", id="its image is being pulled"),
        pytest.param([pod("running")], "abc", id="runs"),
        pytest.param([pod("terminated")], "", id="ended"),
        pytest.param([pod("running", deleted=True)], "", id="is being replaced"),
        pytest.param([pod("running", deleted=True), pod("running")], "abc", id="replaced"),
    ],
)
def test_the_operator_belongs_to_the_running_container_of_a_pod_that_stays(
    pods: list[dict[str, Any]], found: str
) -> None:
    assert find_container(pods) == found


def test_hooks_and_what_they_start_belong_to_the_operator() -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 60; true'; true"]) as outer:
        try:
            deadline = time.monotonic() + 10
            while len(found := list_descendants(outer.pid)) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert len(found) == 2
        finally:
            for pid in [*found, outer.pid]:
                subprocess.run(["kill", "-9", str(pid)], check=False)
