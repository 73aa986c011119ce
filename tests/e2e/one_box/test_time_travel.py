# SPDX-License-Identifier: Apache-2.0
"""The cluster goes back in time: etcd is put back to a snapshot. The last test of this box."""

import pytest

from tests.support.box_command import fetch, run

pytestmark = [pytest.mark.box, pytest.mark.timeout(300)]


def test_a_cluster_goes_back_to_a_snapshot_of_etcd() -> None:
    run("kubectl", "create", "configmap", "fault-early")
    run("etcd", "snapshot", "early")
    run("kubectl", "create", "configmap", "fault-late")
    run("etcd", "restore", "early")
    names = {item["metadata"]["name"] for item in fetch("configmaps", "-n", "default")["items"]}
    assert "fault-early" in names
    assert "fault-late" not in names
