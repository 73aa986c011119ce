# SPDX-License-Identifier: Apache-2.0
"""Files of a node. Factors: containerd 1 and 2, master and worker."""

import json
import tomllib

import pytest

from box import nodefiles
from box.inventory import plan_nodes
from box.layout import Group

NODES = plan_nodes(3, 5)


@pytest.mark.parametrize(
    ("major", "plugin"), [(1, "io.containerd.grpc.v1.cri"), (2, "io.containerd.cri.v1.images")], ids=["1.x", "2.x"]
)
def test_containerd_reads_registries_from_the_platforms_folder(major: int, plugin: str) -> None:
    config = tomllib.loads(nodefiles.render_containerd_config(major, "deckhouse.local/images:pause"))
    assert config["plugins"][plugin]["registry"] == {"config_path": "/etc/containerd/registry.d"}


def test_only_masters_are_tainted() -> None:
    for node in NODES:
        tainted = "control-plane=:NoSchedule" in nodefiles.render_kubelet_environment(node)
        assert tainted == (node.group is Group.MASTER)


def test_every_node_has_pod_addresses_and_a_cgroup_of_its_own() -> None:
    ranges = [
        json.loads(nodefiles.render_pod_network(node))["plugins"][0]["ipam"]["ranges"][0][0]["subnet"] for node in NODES
    ]
    roots = [json.loads(nodefiles.render_kubelet_config(node))["cgroupRoot"] for node in NODES]
    assert len({*ranges}) == len({*roots}) == len(NODES)
