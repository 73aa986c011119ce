# SPDX-License-Identifier: Apache-2.0
"""Each fault of nodes has its effect; nothing of the module is asked."""

import json
import time

import pytest

from box.cgroups import list_groups
from box.fulldisk import FOLDERS
from box.inventory import get_node
from box.layout import BRIDGE_ADDRESS, PYTHON
from box.network import derive_mac
from box.platform.approvals import APPROVED, CONFIGURED, WAITING
from tests.support.box_command import (
    await_that,
    box,
    fetch,
    list_lasting_containers,
    list_tasks,
    read_annotations,
    read_ready,
    run,
)

pytestmark = [pytest.mark.box, pytest.mark.timeout(600)]

GROUP_STEP = {
    "apiVersion": "deckhouse.io/v1alpha1",
    "kind": "NodeGroupConfiguration",
    "metadata": {"name": "fault-test.sh"},
    "spec": {
        "weight": 90,
        "nodeGroups": ["worker"],
        "bundles": ["*"],
        "content": "date +%s.%N > /var/tmp/fault-test\n",
    },
}

IMAGE = "registry-a.box.test/deckhouse/ee:v1.72.0"

SILENT = """
import socket
try:
    socket.create_connection(("{address}", 10250), timeout=1.5)
except (TimeoutError, OSError) as error:
    print("refused" if isinstance(error, ConnectionRefusedError) else "silent")
"""


def has_run_step(node: str) -> bool:
    return bool(box("exec", node, "--", "cat", "/var/tmp/fault-test").stdout)


def test_a_node_may_have_containerd_1_7() -> None:
    versions = {
        node["metadata"]["name"]: node["status"]["nodeInfo"]["containerRuntimeVersion"]
        for node in fetch("nodes")["items"]
    }
    assert versions["worker-1"].startswith("containerd://1.7.")
    assert versions["worker-0"].startswith("containerd://2.")


def test_a_machine_joins_and_leaves() -> None:
    run("node", "add", "worker-2")
    assert read_ready("worker-2") == "True"
    run("node", "remove", "worker-2")
    # With another address, nodes would lose the API server and DNS for seconds.
    assert run("exec", "core", "--", "ip", "-br", "link", "show", "br0").split()[2] == derive_mac(BRIDGE_ADDRESS)
    assert "worker-2" not in {node["metadata"]["name"] for node in fetch("nodes")["items"]}


def test_on_a_full_disk_registry_files_cannot_be_written_and_those_there_stay() -> None:
    def write(folder: str, name: str) -> str:
        script = f"echo content > {folder}/{name} && cat {folder}/{name}"
        return box("exec", "worker-0", "--", "sh", "-c", script).stdout

    assert [write(folder, "early") for folder in FOLDERS] == ["content\n"] * 2
    run("fault", "node", "worker-0", "disk-full")
    assert [write(folder, "while-full") for folder in FOLDERS] == [""] * 2
    assert [run("exec", "worker-0", "--", "cat", f"{folder}/early") for folder in FOLDERS] == ["content\n"] * 2
    assert write("/var/tmp", "elsewhere") == "content\n"
    run("exec", "worker-0", "--", "rm", *(f"{folder}/early" for folder in FOLDERS))
    run("fault", "node", "worker-0", "disk-free")
    assert [write(folder, "late") for folder in FOLDERS] == ["content\n"] * 2
    names = {name for folder in FOLDERS for name in run("exec", "worker-0", "--", "ls", "-A", folder).split()}
    assert "late" in names
    assert not names & {"early", ".disk-full"}
    run("exec", "worker-0", "--", "rm", *(f"{folder}/late" for folder in FOLDERS))


@pytest.mark.parametrize("node", ["worker-0", "worker-1"], ids=["containerd 2", "containerd 1.7"])
def test_a_node_whose_clock_is_behind_takes_a_valid_certificate_for_an_early_one(node: str) -> None:
    def read_time() -> int:
        return int(run("exec", node, "--", "date", "+%s"))

    run("pull", node, IMAGE)
    run("fault", "node", node, "clock", "-1d")
    try:
        assert -86_400 - 60 < read_time() - time.time() < -86_400 + 60
        # containerd runs since before the fault.
        await_that("the pull fails", lambda: "certificate has expired or is not yet valid" in pull(node), 5)
        assert "is before" in pull(node)
        assert "clock -1d" in run("status")
    finally:
        run("fault", "node", node, "clock", "reset")
    await_that("the pull goes well", lambda: pull(node) == "", 5)
    assert abs(read_time() - time.time()) < 60
    assert read_ready(node) == "True"


def test_a_clock_that_is_ahead_for_hours_harms_no_pull_and_a_boot_puts_it_right() -> None:
    run("fault", "node", "worker-0", "clock", "+3h")
    assert int(run("exec", "worker-0", "--", "date", "+%s")) - time.time() > 10_000
    assert pull("worker-0") == ""
    run("node", "reboot", "worker-0")
    assert abs(int(run("exec", "worker-0", "--", "date", "+%s")) - time.time()) < 60
    assert "clock" not in run("status")


def read_boot(node: str) -> str:
    """Return what the kubelet says of the machine's boot."""
    return str(fetch("node", node)["status"]["nodeInfo"]["bootID"])


def pull(node: str) -> str:
    """Pull by a tag, for which the registry is always asked; returns the complaint."""
    return box("pull", node, IMAGE).stderr


def test_a_node_without_power_is_silent_and_boots_with_what_was_on_its_disk() -> None:
    run("exec", "worker-1", "--", "sh", "-c", "echo kept > /var/tmp/fault-disk; echo lost > /run/fault-memory")
    boot = read_boot("worker-1")
    run("node", "down", "worker-1")
    assert [group for group in list_groups() if get_node("worker-1").namespace in group.parts] == []
    assert box("exec", "worker-1", "--", "true").returncode == 1
    assert run("exec", "core", "--", str(PYTHON), "-c", SILENT.format(address="10.111.0.21")) == "silent\n"
    run("node", "up", "worker-1")
    assert read_ready("worker-1") == "True"
    assert read_boot("worker-1") != boot
    script = "cat /var/tmp/fault-disk; test ! -e /run/fault-memory; rm /var/tmp/fault-disk"
    assert run("exec", "worker-1", "--", "sh", "-c", script) == "kept\n"
    await_that("its pods", lambda: bool(list_tasks("worker-1") & list_lasting_containers("worker-1")))


@pytest.mark.full
def test_a_node_without_power_stops_the_updates_of_its_group() -> None:
    await_that("no update is under way", lambda: not any(APPROVED in read_annotations(f"worker-{n}") for n in (0, 1)))
    run("node", "down", "worker-1")
    await_that("the node is not Ready", lambda: read_ready("worker-1") != "True", 90)
    before = read_annotations("worker-0")[CONFIGURED]
    run("kubectl", "apply", "-f", "-", content=json.dumps(GROUP_STEP))
    await_that("the other worker waits for its approval", lambda: WAITING in read_annotations("worker-0"))
    time.sleep(4)
    assert APPROVED not in read_annotations("worker-0")
    assert read_annotations("worker-0")[CONFIGURED] == before
    run("node", "up", "worker-1")
    await_that("both have run the step", lambda: all(map(has_run_step, ("worker-0", "worker-1"))))
    run("kubectl", "delete", "ngc", "fault-test.sh")
