# SPDX-License-Identifier: Apache-2.0
"""A plan that uninstalls: one last word, then nothing of ours, whatever was killed in between."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Source
from d8registry.nodes import build_uninstall_plan

from tests.support.node_plans import build_source_layout, called, expected_files, layout, plan, source
from tests.support.scratch_node import ScratchNode, running

UNITS = ("service", "timer", "path")
SOURCE = source("registry-real.test")
REAL = SOURCE.endpoint.host


def install(node: ScratchNode) -> None:
    """What the node step leaves on a node, and a plan gone live on a master."""
    for folder in ("opt/deckhouse/bin", "opt/deckhouse/registry-node"):
        (node.root / folder).mkdir(parents=True)
        (node.root / folder / "registry-node").write_text("program")
    (node.root / "etc/systemd/system").mkdir(parents=True)
    for unit in UNITS:
        (node.root / f"etc/systemd/system/registry-node.{unit}").write_text("unit")
    node.api.labels["node-role.kubernetes.io/control-plane"] = ""
    node.publish(plan(1, layout(node, pulls=(FIXED_BASE.build_reference(f"sha256:{'a' * 64}"),))))
    node.run()
    assert (node.live / FIXED_HOST / "hosts.toml").exists()


def find_ours(node: ScratchNode) -> list[str]:
    return [str(path.relative_to(node.root)) for path in node.root.rglob("*registry-node*")]


def uninstall(node: ScratchNode, counter: int = 2) -> str:
    wanted = build_uninstall_plan(counter=counter, epoch="3f9c2a1b", salt="a1")
    return node.publish(wanted)


def test_a_node_says_so_once_and_then_removes_everything_of_ours(node: ScratchNode) -> None:
    install(node)
    (node.live / "users.test").mkdir()
    (node.live / "users.test/hosts.toml").write_text("mine")
    token = uninstall(node)
    node.run()
    report = json.loads(node.api.annotations["registry.deckhouse.io/node-report"])
    assert (report["token"], report["result"]) == (token, "uninstalling")
    assert node.api.labels["registry.deckhouse.io/node-state"] == "uninstalling"
    node.read_calls()
    ran = node.run()
    assert ran.returncode == 0, ran.stderr
    assert node.api.annotations == {}
    assert node.api.labels == {"node-role.kubernetes.io/control-plane": ""}
    assert find_ours(node) == []
    assert node.read_live() == {"users.test/hosts.toml": "mine"}
    assert not (node.live / FIXED_HOST).exists()
    systemctl = [call for call in called(node, "systemctl") if "show" not in call]
    assert systemctl == [
        "systemctl disable registry-node.timer registry-node.path",
        "systemctl stop registry-node.timer registry-node.path",
        "systemctl daemon-reload",
    ]


def test_what_was_pinned_is_let_go(node: ScratchNode) -> None:
    install(node)
    node.read_calls()
    uninstall(node)
    node.run()
    assert any(call.endswith("io.cri-containerd.pinned=") for call in called(node, "ctr"))


def test_a_folder_on_the_list_of_the_platforms_step_is_left_to_that_step(node: ScratchNode) -> None:
    install(node)
    wanted = expected_files(layout(node))
    (node.live / "deckhouse_hosts_state.json").write_text(json.dumps([FIXED_HOST]))
    uninstall(node)
    node.run()
    node.run()
    assert find_ours(node) == []
    assert node.read_live().items() >= wanted.items()


@contextmanager
def reading(node: ScratchNode) -> Iterator[None]:
    """A node back in Unmanaged, whose containerd reads the real registry's folder."""
    install(node)
    (node.root / "etc/containerd/config.toml").write_text(
        "[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/registry.d'\n"
    )
    with running(node):
        wanted = build_source_layout({REAL: [Source(base=SOURCE.endpoint.base, endpoint=SOURCE.endpoint)]})
        node.publish(plan(2, wanted))
        node.run()
        node.run()
        assert node.read_live() == expected_files(wanted)
        yield


def assert_gone_without_config_path(node: ScratchNode) -> None:
    """The platform has restarted containerd by its own settings: two rounds later nothing of ours is left."""
    (node.root / "etc/containerd/config.toml").write_text("version = 3\n")
    with running(node):
        node.run()
        node.run()
    assert not (node.live / REAL).exists()
    assert find_ours(node) == []


def test_a_real_registrys_folder_stays_until_containerd_reads_it_no_more(node: ScratchNode) -> None:
    with reading(node):
        before = node.read_live()
        uninstall(node, 3)
        for _ in range(3):
            node.run()
        assert node.read_live() == before
    report = json.loads(node.api.annotations["registry.deckhouse.io/node-report"])
    assert (report["result"], REAL in report["message"]) == ("uninstalling", True)
    assert_gone_without_config_path(node)
    assert node.api.annotations == {}


def test_a_folder_that_the_platforms_step_takes_away_before_it_restarts_containerd_is_put_back(
    node: ScratchNode,
) -> None:
    with reading(node):
        before = node.read_live()
        listed = node.live / "deckhouse_hosts_state.json"
        listed.write_text(json.dumps([REAL]))
        uninstall(node, 3)
        for _ in range(3):
            node.run()
        assert (node.root / "opt/deckhouse/bin/registry-node").exists()
        listed.write_text("[]")
        shutil.rmtree(node.live / REAL)
        node.run()
        assert node.read_live() == before | {"deckhouse_hosts_state.json": "[]"}
    # Nobody knows what a containerd that does not run will read.
    node.run()
    assert (node.live / REAL / "hosts.toml").exists()
    assert_gone_without_config_path(node)


def test_a_containerd_that_reads_it_for_ever_keeps_the_folder_and_nothing_else(node: ScratchNode) -> None:
    with reading(node):
        before = node.read_live()
        uninstall(node, 3)
        node.run()
        long_ago = time.time() - 2 * 86400
        os.utime(node.root / "run/registry-node/leaving", (long_ago, long_ago))
        ran = node.run()
    assert f"left behind: {node.live / REAL}" in ran.stderr
    assert node.read_live() == before
    assert find_ours(node) == []


def test_an_older_plan_that_uninstalls_is_not_believed(node: ScratchNode) -> None:
    install(node)
    node.publish(plan(5, layout(node)))
    node.run()
    uninstall(node)
    node.run()
    assert node.api.labels["registry.deckhouse.io/node-state"] == "restored"
    assert (node.live / FIXED_HOST / "hosts.toml").exists()


def test_a_module_that_is_enabled_again_meanwhile_takes_the_node_back(node: ScratchNode) -> None:
    install(node)
    uninstall(node)
    node.run()
    wanted = layout(node)
    node.publish(plan(3, wanted))
    node.run()
    assert node.read_live() == expected_files(wanted)
    assert node.api.labels["registry.deckhouse.io/node-state"] == "applied"


def test_killed_at_any_command_the_next_rounds_finish_it(node: ScratchNode) -> None:
    node.keep_shims({"mv", "rm", "rmdir"})
    for step in range(1, 90, 3):
        for folder in ("opt/deckhouse", "etc/systemd"):
            for path in sorted((node.root / folder).rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            if (node.root / folder).exists():
                (node.root / folder).rmdir()
        install(node)
        uninstall(node)
        node.fuse.write_text(f"{step}\n")
        killed = any(node.run().returncode != 0 for _ in range(2))
        node.fuse.unlink(missing_ok=True)
        for _ in range(3):
            if (node.root / "opt/deckhouse/bin/registry-node").exists() or node.keep.exists():
                node.run()
        assert find_ours(node) == [], f"killed at command {step}"
        assert "registry.deckhouse.io/node-state" not in node.api.labels
        if not killed:
            break
    assert not killed
    assert step > 5
