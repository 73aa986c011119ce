# SPDX-License-Identifier: Apache-2.0
"""Each fault of nodes and control plane has its effect; nothing of the module is asked. One box, in this order."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from box.layout import PYTHON, REPOSITORY
from box.nodefaults import FOLDERS
from box.platform.approvals import APPROVED, CONFIGURED, WAITING
from box.state import read_state

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

SILENT = """
import socket
try:
    socket.create_connection(("{address}", 10250), timeout=1.5)
except (TimeoutError, OSError) as error:
    print("refused" if isinstance(error, ConnectionRefusedError) else "silent")
"""


def box(*words: str, content: str | None = None, check: bool = True) -> str:
    command = [str(PYTHON), "-m", "box", *words]
    done = subprocess.run(command, cwd=REPOSITORY, input=content, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def fetch(*words: str) -> Any:
    return json.loads(box("kubectl", "get", *words, "-o", "json"))


def await_that(what: str, condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


def read_annotations(node: str) -> dict[str, str]:
    annotations: dict[str, str] = fetch("node", node)["metadata"]["annotations"]
    return annotations


def read_ready(node: str) -> str:
    conditions = fetch("node", node)["status"]["conditions"]
    return str(next(each["status"] for each in conditions if each["type"] == "Ready"))


def has_run_step(node: str) -> bool:
    return bool(box("exec", node, "--", "cat", "/var/tmp/fault-test", check=False))


def is_deckhouse_ready() -> bool:
    return bool(fetch("deploy", "deckhouse", "-n", "d8-system")["status"].get("readyReplicas") == 1)


def list_tasks(node: str) -> set[str]:
    return set(box("exec", node, "--", "ctr", "-n", "k8s.io", "tasks", "list", "-q").split())


@pytest.fixture(scope="module", autouse=True)
def running_box() -> Iterator[None]:
    if read_state() is not None:
        pytest.fail("a box is there already; end it first: python -m box down")
    try:
        box("up", "--workers", "2", "--containerd17", "worker-1")
        yield
    finally:
        box("down")


def test_a_node_may_have_containerd_1_7() -> None:
    versions = {
        node["metadata"]["name"]: node["status"]["nodeInfo"]["containerRuntimeVersion"]
        for node in fetch("nodes")["items"]
    }
    assert versions["worker-1"].startswith("containerd://1.7.")
    assert versions["worker-0"].startswith("containerd://2.")


def test_a_machine_joins_and_leaves() -> None:
    box("node", "add", "worker-2")
    assert read_ready("worker-2") == "True"
    box("node", "remove", "worker-2")
    assert "worker-2" not in {node["metadata"]["name"] for node in fetch("nodes")["items"]}


def test_on_a_full_disk_registry_files_cannot_be_written_and_those_there_stay() -> None:
    def write(folder: str, name: str) -> str:
        script = f"echo content > {folder}/{name} && cat {folder}/{name}"
        return box("exec", "worker-0", "--", "sh", "-c", script, check=False)

    assert [write(folder, "early") for folder in FOLDERS] == ["content\n"] * 2
    box("fault", "node", "worker-0", "disk-full")
    assert [write(folder, "while-full") for folder in FOLDERS] == [""] * 2
    assert [box("exec", "worker-0", "--", "cat", f"{folder}/early") for folder in FOLDERS] == ["content\n"] * 2
    assert write("/var/tmp", "elsewhere") == "content\n"
    box("exec", "worker-0", "--", "rm", *(f"{folder}/early" for folder in FOLDERS))
    box("fault", "node", "worker-0", "disk-free")
    assert [write(folder, "late") for folder in FOLDERS] == ["content\n"] * 2
    names = {name for folder in FOLDERS for name in box("exec", "worker-0", "--", "ls", "-A", folder).split()}
    assert "late" in names
    assert not names & {"early", ".disk-full"}
    box("exec", "worker-0", "--", "rm", *(f"{folder}/late" for folder in FOLDERS))


def test_a_node_without_power_is_silent_and_stops_the_updates_of_its_group() -> None:
    await_that("no update is under way", lambda: not any(APPROVED in read_annotations(f"worker-{n}") for n in (0, 1)))
    box("node", "down", "worker-1")
    code = SILENT.format(address="10.111.0.21")
    assert box("exec", "core", "--", str(PYTHON), "-c", code) == "silent\n"
    await_that("the node is not Ready", lambda: read_ready("worker-1") != "True", 90)
    before = read_annotations("worker-0")[CONFIGURED]
    box("kubectl", "apply", "-f", "-", content=json.dumps(GROUP_STEP))
    await_that("the other worker waits for its approval", lambda: WAITING in read_annotations("worker-0"))
    time.sleep(4)
    assert APPROVED not in read_annotations("worker-0")
    assert read_annotations("worker-0")[CONFIGURED] == before
    box("node", "up", "worker-1")
    await_that("both have run the step", lambda: all(map(has_run_step, ("worker-0", "worker-1"))))
    box("kubectl", "delete", "ngc", "fault-test.sh")


def test_deckhouses_operator_dies_with_its_pod_and_starts_with_the_next_one() -> None:
    from box import operator

    before = operator.find()
    assert before is not None
    box("kubectl", "-n", "d8-system", "delete", "pod", "-l", "app=deckhouse", "--wait=false")
    await_that("another operator", lambda: (found := operator.find()) is not None and found.pid != before.pid)
    await_that("deckhouse is Ready", is_deckhouse_ready)


def test_a_cluster_goes_back_to_a_snapshot_of_etcd() -> None:
    box("kubectl", "create", "configmap", "fault-early")
    box("etcd", "snapshot", "early")
    box("kubectl", "create", "configmap", "fault-late")
    box("etcd", "restore", "early")
    names = {item["metadata"]["name"] for item in fetch("configmaps", "-n", "default")["items"]}
    assert "fault-early" in names
    assert "fault-late" not in names


def test_without_its_api_server_the_cluster_does_not_answer_and_containers_live_on() -> None:
    tasks = list_tasks("worker-0")
    box("api", "down")
    assert box("kubectl", "get", "nodes", "--request-timeout=3s", check=False) == ""
    assert tasks <= list_tasks("worker-0")
    box("api", "up")
    assert fetch("nodes")["items"]
