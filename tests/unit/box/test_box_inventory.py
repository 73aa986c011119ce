# SPDX-License-Identifier: Apache-2.0
"""Which machines a box has, by name, and what is refused."""

import pytest

from box.errors import BoxError
from box.inventory import build_node, plan_nodes
from box.layout import Containerd, Group


def test_a_place_in_a_group_gives_the_same_machine_every_time() -> None:
    assert build_node("worker-3") == build_node("worker-3")
    assert (build_node("worker-3").address, build_node("worker-3").pod_range) == ("10.111.0.23", "10.112.23.0/24")
    assert build_node("master-2").group is Group.MASTER


def test_every_machine_of_a_large_cluster_has_addresses_of_its_own() -> None:
    nodes = plan_nodes(10, 60)
    assert len({node.address for node in nodes}) == len({node.pod_range for node in nodes}) == 70
    assert max(node.number for node in nodes) < 100, "from 10.111.0.100 on are registries"


def test_named_nodes_get_the_older_containerd() -> None:
    nodes = plan_nodes(1, 2, ["worker-1"])
    assert [(node.name, node.containerd) for node in nodes] == [
        ("master-0", Containerd.V2),
        ("worker-0", Containerd.V2),
        ("worker-1", Containerd.V1),
    ]


@pytest.mark.parametrize("name", ["worker", "worker-01", "worker-60", "master-10", "node-1", "worker-1; rm"])
def test_a_name_that_is_no_machine_is_refused_with_what_names_are(name: str) -> None:
    with pytest.raises(BoxError, match=r"names are|addresses for"):
        build_node(name)


def test_an_older_containerd_on_a_machine_that_is_not_planned_is_refused() -> None:
    with pytest.raises(BoxError, match=r"worker-7 .* nodes are master-0, worker-0"):
        plan_nodes(1, 1, ["worker-7"])


def test_a_cluster_without_a_master_is_refused() -> None:
    with pytest.raises(BoxError, match="at least one"):
        plan_nodes(0, 2)
