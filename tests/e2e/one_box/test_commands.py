# SPDX-License-Identifier: Apache-2.0
"""Commands of the box on a small box: what they show, what they break, how it comes back.

Factors: looking (status, logs, exec, pull); the operator (stopped, killed, dead after a given write); `main` held by a
broken neighbour in two ways; names that are not there. What runs is the bundle.
"""

import time
from pathlib import Path

import pytest

from box.bundle import build_bundle, unpack
from box.inventory import read_nodes
from box.operator import MODULE, find
from box.queues import read_queues
from tests.support.box_command import await_that, box, fetch, run

pytestmark = [pytest.mark.box, pytest.mark.timeout(300)]

DECKHOUSE = ("deploy", "deckhouse", "-n", "d8-system")


def test_status_shows_every_part_and_is_well() -> None:
    text = " ".join(run("status").split())
    for words in ("whole", "module: mode Unmanaged", *(node.name for node in read_nodes())):
        assert words in text
    for words in ("registry-a registry-a.box.test running", "main idle", "etcd", "kube-apiserver"):
        assert words in text


def test_what_runs_is_the_bundle(tmp_path: Path) -> None:
    build_bundle(tmp_path / "module.tar", print)
    unpack(tmp_path / "module.tar", tmp_path / "module")
    shipped = {
        path.relative_to(tmp_path / "module"): path for path in (tmp_path / "module").rglob("*") if path.is_file()
    }
    running = {path.relative_to(MODULE): path for path in MODULE.rglob("*") if path.is_file()}
    assert {path for path in running if "__pycache__" not in path.parts} == set(shipped)
    assert [str(name) for name, path in shipped.items() if path.read_bytes() != running[name].read_bytes()] == []


def test_logs_are_found_by_process_and_by_unit() -> None:
    assert "startup converge done" in run("logs", "operator", "-n", "500")
    assert "containerd" in run("logs", "master-0/containerd", "-n", "5")
    missing = box("logs", "operatr")
    assert (missing.returncode, "did you mean operator?" in missing.stderr) == (1, True)


def test_a_program_inside_keeps_its_exit_status_and_a_pull_says_why_it_failed() -> None:
    assert box("exec", "worker-0", "--", "sh", "-c", "exit 7").returncode == 7
    failed = box("pull", "worker-0", "registry-none.box.test/app:1")
    assert failed.returncode == 1
    assert "node worker-0 cannot pull registry-none.box.test/app:1" in failed.stderr


@pytest.mark.parametrize("way", ["hook", "chart"])
def test_main_is_held_by_a_broken_neighbour_until_it_is_mended(way: str) -> None:
    run("main", "block", "--by", way)
    held = box("main", "status")
    assert (held.returncode, "neighbour" in held.stdout) == (1, True)
    assert [queue.name for queue in read_queues() if queue.tasks and queue.tasks[0].failures] == ["main"]
    run("main", "unblock")
    assert run("main", "status").startswith("main:")


def test_an_operator_that_dies_after_a_write_comes_back_and_finishes_the_work() -> None:
    run("operator", "kill-after", "1", "--object", "registry-node-plan")
    run("kubectl", "-n", "d8-system", "delete", "secret", "registry-node-plan")
    until = time.monotonic() + 30
    while find() is not None:
        assert time.monotonic() < until, "the operator lives on"
        time.sleep(0.1)
    assert "registry-node-plan" in run("logs", "operator", "-n", "5")
    run("operator", "start")
    assert "registry-node-plan" in run(
        "kubectl", "-n", "d8-system", "get", "secret", "registry-node-plan", "-o", "name"
    )


def test_an_operator_is_stopped_killed_and_started_with_clear_words() -> None:
    run("operator", "stop")
    assert "start it: python -m box operator start" in box("operator", "kill").stderr
    run("operator", "start")
    assert "runs already" in box("operator", "start").stderr
    run("operator", "kill")
    assert box("status").returncode == 1
    run("operator", "start")
    run("status")


def test_deckhouses_operator_dies_with_its_pod_and_starts_with_the_next_one() -> None:
    before = find()
    assert before is not None
    run("kubectl", "-n", "d8-system", "delete", "pod", "-l", "app=deckhouse", "--wait=false")
    await_that("another operator", lambda: (found := find()) is not None and found.pid != before.pid)
    await_that("deckhouse is Ready", lambda: fetch(*DECKHOUSE)["status"].get("readyReplicas") == 1)
