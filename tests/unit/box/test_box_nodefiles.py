# SPDX-License-Identifier: Apache-2.0
"""Files of a node. Factors: master and worker."""

import json

from box import nodefiles
from box.inventory import plan_nodes
from box.layout import Group

NODES = plan_nodes(3, 5)


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


def test_the_kubelets_settings_do_not_lie_where_it_reads_registry_credentials() -> None:
    assert "--config=/var/lib/kubelet/config.yaml " in nodefiles.KUBELET_UNIT
