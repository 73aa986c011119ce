# SPDX-License-Identifier: Apache-2.0
"""Registry settings that are not the platform's, in every way that containerd's configuration can spell them."""

import pytest
from d8registry.model.cluster import FailureClass, WitnessResult
from d8registry.model.endpoint import FIXED_HOST

from tests.support.node_plans import expected_files, layout, plan, source, witness
from tests.support.scratch_node import ScratchNode

CRI = 'plugins."io.containerd.grpc.v1.cri"'
V1 = f"{CRI}.registry"
V2 = "plugins.'io.containerd.cri.v1.images'.registry"
OURS = f'[{V1}]\n  config_path = "/etc/containerd/registry.d"\n'

DROP_INS = {
    "table": (f'[{V1}.mirrors."docker.io"]\nendpoint = ["https://m"]\n', 'registry.mirrors."docker.io"'),
    "2.x": (f"[{V2}.mirrors.'docker.io']\n", "registry.mirrors.'docker.io'"),
    "credentials": (f'[{V1}.configs."r.test".auth]\npassword = "secret"\n', 'registry.configs."r.test"'),
    "dotted": (f'[{CRI}]\nregistry.headers.X-Meta = ["secret"]\n', "registry.headers.X-Meta"),
    "inline": (f'[{CRI}]\nregistry = {{ mirrors = {{ "docker.io" = {{}} }} }}\n', "registry.mirrors"),
    "config_path": (f'[{V2}]\nconfig_path = "/etc/mine" # why not\n', "config_path /etc/mine"),
}


@pytest.mark.parametrize("spelling", DROP_INS)
def test_a_drop_in_is_named_with_what_it_sets_and_without_values(node: ScratchNode, spelling: str) -> None:
    text, what = DROP_INS[spelling]
    write(node, "config.toml", OURS)
    write(node, "conf.d/mine.toml", text)
    node.publish(plan(1, layout(node)))
    node.run()
    assert (witness(node).custom_config, witness(node).custom_detail) == (True, f"conf.d/mine.toml: {what}")


def test_files_that_the_main_one_imports_are_read(node: ScratchNode) -> None:
    write(node, "config.toml", f'version = 2\nimports = [\n  "{node.root}/etc/other/*.toml",\n]\n{OURS}')
    path = node.root / "etc/other/mirrors.toml"
    path.parent.mkdir()
    path.write_text(DROP_INS["table"][0])
    node.publish(plan(1, layout(node)))
    node.run()
    assert witness(node).custom_detail == f'{path}: registry.mirrors."docker.io"'


INNOCENT = {
    "nothing about registries": "[plugins.'io.containerd.cri.v1.runtime']\nmirrors = 1\n",
    "empty tables": f"[{V1}.mirrors]\n[{V1}.configs]\n[{V1}.auths]\n[{V1}.headers]\n",
    "a comment": f'# [{V1}.mirrors."docker.io"]\n',
    "containerd's own default": f"[{V2}]\nconfig_path = '/etc/containerd/certs.d:/etc/docker/certs.d'\n",
    "the same path again": OURS,
}


@pytest.mark.parametrize("what", INNOCENT)
def test_what_changes_nothing_is_not_custom(node: ScratchNode, what: str) -> None:
    write(node, "conf.d/mine.toml", INNOCENT[what])
    node.publish(plan(1, layout(node)))
    node.run()
    assert (witness(node).custom_config, witness(node).custom_detail) == (False, "")


def test_containerds_default_path_is_custom_once_somebody_uses_it(node: ScratchNode) -> None:
    write(node, "config.toml", INNOCENT["containerd's own default"])
    write(node, "certs.d/docker.io/hosts.toml", "mine")
    node.publish(plan(1, layout(node)))
    node.run()
    assert witness(node).custom_detail == "config.toml: config_path /etc/containerd/certs.d:/etc/docker/certs.d"


@pytest.mark.parametrize(
    "marker", ["etc/containerd/registry.d/.managed-by-agent", "etc/kubernetes/manifests/registry-agent.yaml"]
)
def test_another_agent_is_named_and_not_fought(node: ScratchNode, marker: str) -> None:
    wanted = layout(node)
    node.publish(plan(1, wanted))
    node.run()
    path = node.root / marker
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("managed-by=registry-agent\n")
    hosts = node.live / FIXED_HOST / "hosts.toml"
    hosts.write_text("the agent's")
    node.publish(plan(2, layout(node, source("registry-c.test"))))
    node.run()
    report = witness(node)
    assert hosts.read_text() == "the agent's"
    assert (report.result, report.failure) == (WitnessResult.FAILING, FailureClass.FOREIGN)
    assert report.foreign_agent == f"/{marker}"
    path.unlink()
    (node.keep / "trial").unlink(missing_ok=True)
    node.run()
    assert node.read_live() == expected_files(layout(node, source("registry-c.test")))


def write(node: ScratchNode, name: str, text: str) -> None:
    path = node.root / "etc/containerd" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
