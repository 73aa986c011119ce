# SPDX-License-Identifier: Apache-2.0
"""The platform's stand-ins in a real cluster: bashible on nodes, the takeover of `deckhouse-registry`, systemd."""

import base64
import json
import time
from collections.abc import Callable, Iterator

import pytest

from box.platform.approvals import CONFIGURED
from box.platform.pace import DEFAULT_SECONDS
from box.platform.registry_secret import DOCKER_CONFIG, compute_checksum, parse_registry_secret
from box.platform.workloads import CHECKSUM, COPY_NAMESPACES
from tests.support.box_command import await_that, fetch, fetch_lasting_pods, list_lasting_containers, list_tasks, run

pytestmark = [pytest.mark.box, pytest.mark.timeout(300)]

WORKERS = ["worker-0", "worker-1"]


@pytest.fixture
def step() -> Iterator[Callable[[str, int, str], None]]:
    """Creates bashible steps of the workers; they and what they write go at the end."""
    names: list[str] = []

    def create(name: str, weight: int, content: str) -> None:
        names.append(name)
        spec = {"weight": weight, "nodeGroups": ["worker"], "bundles": ["*"], "content": content}
        head = {"apiVersion": "deckhouse.io/v1alpha1", "kind": "NodeGroupConfiguration"}
        run("kubectl", "apply", "-f", "-", content=json.dumps({**head, "metadata": {"name": name}, "spec": spec}))

    yield create
    for name in names:
        run("kubectl", "delete", "ngc", name)
    for node in WORKERS:
        run("exec", node, "--", "sh", "-c", "rm -f /var/tmp/step-*")


def read_on(node: str, path: str) -> str:
    return run("exec", node, "--", "sh", "-c", f"cat {path} 2>/dev/null || true")


def count_tries(node: str) -> int:
    return read_on(node, "/var/tmp/step-tries").count("x")


def test_a_step_runs_on_the_nodes_of_its_group_only_and_once(step: Callable[[str, int, str], None]) -> None:
    step("once.sh", 50, "echo 'a {{ \"{{\" }} b' >> /var/tmp/step-once\n")
    await_that("the step ran on every worker", lambda: all(read_on(node, "/var/tmp/step-once") for node in WORKERS))
    time.sleep(5)  # more than one round of bashible
    assert {read_on(node, "/var/tmp/step-once") for node in WORKERS} == {"a {{ b\n"}
    assert read_on("master-0", "/var/tmp/step-once") == ""


@pytest.mark.full
def test_a_failing_step_is_tried_again_and_holds_the_later_ones(step: Callable[[str, int, str], None]) -> None:
    step("hold.sh", 50, "echo x >> /var/tmp/step-tries\n[[ -f /var/tmp/step-go ]]\n")
    step("later.sh", 60, "touch /var/tmp/step-later; echo y > /var/tmp/step-later\n")
    await_that("two tries", lambda: any(count_tries(node) >= 2 for node in WORKERS))
    assert [read_on(node, "/var/tmp/step-later") for node in WORKERS] == ["", ""]
    assert 0 in map(count_tries, WORKERS), "the other worker has no approval while this one fails"
    for node in WORKERS:
        run("exec", node, "--", "touch", "/var/tmp/step-go")
    await_that("the later step", lambda: all(read_on(node, "/var/tmp/step-later") == "y\n" for node in WORKERS))


def test_every_node_says_what_it_was_configured_with() -> None:
    for node in fetch("nodes")["items"]:
        assert node["metadata"]["annotations"].keys() >= {CONFIGURED, "registry.deckhouse.io/version"}
        assert node["metadata"]["labels"]["node.deckhouse.io/containerd-config-registry"] == "default"


@pytest.mark.full
def test_a_changed_pull_secret_restarts_deckhouse_alone_and_then_its_copies_follow() -> None:
    original = fetch("secret", "deckhouse-registry", "-n", "d8-system")["data"]
    before = fetch_names()
    config = json.loads(base64.b64decode(original[DOCKER_CONFIG]))
    ((host, entry),) = config["auths"].items()
    config["auths"][f"{host}/deckhouse"] = entry
    changed = base64.b64encode(json.dumps(config).encode()).decode()
    try:
        run("takeover-delay", "600")  # the copies come when the test lets them
        patch_secret(changed)
        checksum = compute_checksum(parse_registry_secret({**original, DOCKER_CONFIG: changed}))
        await_that("deckhouse is Ready with the new content", lambda: has_taken_over(checksum))
        assert all(read_copy(namespace) != changed for namespace in COPY_NAMESPACES), "copies come after deckhouse"
        run("takeover-delay", "0")
        await_that("every copy", lambda: all(read_copy(namespace) == changed for namespace in COPY_NAMESPACES))
        assert {name for name in before if not name.startswith("deckhouse-")} <= fetch_names()
    finally:
        run("takeover-delay", str(DEFAULT_SECONDS))
        patch_secret(original[DOCKER_CONFIG])
        await_that(
            "every copy as before",
            lambda: all(read_copy(namespace) == original[DOCKER_CONFIG] for namespace in COPY_NAMESPACES),
        )


def patch_secret(docker_config: str) -> None:
    patch = json.dumps({"data": {DOCKER_CONFIG: docker_config}})
    run("kubectl", "patch", "secret", "deckhouse-registry", "-n", "d8-system", "--type=merge", "-p", patch)


def read_copy(namespace: str) -> str:
    return str(fetch("secret", "deckhouse-registry", "-n", namespace)["data"][DOCKER_CONFIG])


def has_taken_over(checksum: str) -> bool:
    pods = fetch("pods", "-n", "d8-system", "-l", "app=deckhouse,leader=true")["items"]
    return [pod["metadata"]["annotations"][CHECKSUM] for pod in pods] == [checksum] and all(
        condition["status"] == "True"
        for pod in pods
        for condition in pod["status"].get("conditions", [])
        if condition["type"] == "Ready"
    )


def fetch_names() -> set[str]:
    return {pod["metadata"]["name"] for pod in fetch_lasting_pods() if pod["metadata"]["namespace"] != "default"}


def show(node: str, unit: str, key: str) -> str:
    return run("exec", node, "--", "systemctl", "show", unit, "-p", key, "--value").strip()


def test_a_killed_containerd_comes_back_and_its_containers_live_on() -> None:
    node = WORKERS[0]
    pid = show(node, "containerd", "MainPID")
    started = list_lasting_containers(node)
    run("exec", node, "--", "sh", "-c", f"kill -9 {pid}")
    await_that("another containerd", lambda: show(node, "containerd", "MainPID") not in {"0", pid})
    await_that("containerd says that it is ready", lambda: show(node, "containerd", "ActiveState") == "active")
    assert show(node, "containerd", "NRestarts") == "1"
    assert started
    await_that("the containers", lambda: started <= list_tasks(node))


def test_the_machines_own_systemctl_is_out_of_reach_on_a_node() -> None:
    assert "stand-in" in run("exec", WORKERS[0], "--", "cat", "/usr/bin/systemctl")
