# SPDX-License-Identifier: Apache-2.0
"""The platform's stand-ins in a real cluster: bashible on nodes, the takeover of `deckhouse-registry`, systemd.

Every test leaves the box as it found it, so one box serves them all.
"""

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from box.layout import PYTHON, REPOSITORY
from box.platform.approvals import CONFIGURED
from box.platform.pace import DEFAULT_SECONDS
from box.platform.registry_secret import DOCKER_CONFIG, compute_checksum, parse_registry_secret
from box.platform.workloads import CHECKSUM, COPY_NAMESPACES
from box.state import read_state

pytestmark = [pytest.mark.box, pytest.mark.timeout(300)]

WORKERS = ["worker-0", "worker-1"]


def box(*words: str, content: str | None = None) -> str:
    command = [str(PYTHON), "-m", "box", *words]
    done = subprocess.run(command, cwd=REPOSITORY, input=content, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def fetch(*words: str) -> Any:
    return json.loads(box("kubectl", "get", *words, "-o", "json"))


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(1)


@pytest.fixture(scope="module", autouse=True)
def running_box() -> Iterator[None]:
    state = read_state()
    if state is not None and state.complete:
        pytest.fail("a box is up; end it first: python -m box down")
    box("up")
    yield
    box("down")


@pytest.fixture
def step() -> Iterator[Callable[[str, int, str], None]]:
    """Creates bashible steps of the workers; they and what they write go at the end."""
    names: list[str] = []

    def create(name: str, weight: int, content: str) -> None:
        names.append(name)
        spec = {"weight": weight, "nodeGroups": ["worker"], "bundles": ["*"], "content": content}
        head = {"apiVersion": "deckhouse.io/v1alpha1", "kind": "NodeGroupConfiguration"}
        box("kubectl", "apply", "-f", "-", content=json.dumps({**head, "metadata": {"name": name}, "spec": spec}))

    yield create
    for name in names:
        box("kubectl", "delete", "ngc", name)
    for node in WORKERS:
        box("exec", node, "--", "sh", "-c", "rm -f /var/tmp/step-*")


def read_on(node: str, path: str) -> str:
    return box("exec", node, "--", "sh", "-c", f"cat {path} 2>/dev/null || true")


def test_a_step_runs_on_the_nodes_of_its_group_only_and_once(step: Callable[[str, int, str], None]) -> None:
    step("once.sh", 50, "echo 'a {{ \"{{\" }} b' >> /var/tmp/step-once\n")
    wait_for("the step ran on every worker", lambda: all(read_on(node, "/var/tmp/step-once") for node in WORKERS))
    time.sleep(5)  # more than one round of bashible
    assert {read_on(node, "/var/tmp/step-once") for node in WORKERS} == {"a {{ b\n"}
    assert read_on("master-0", "/var/tmp/step-once") == ""


def test_a_failing_step_is_tried_again_and_holds_the_later_ones(step: Callable[[str, int, str], None]) -> None:
    step("hold.sh", 50, "echo x >> /var/tmp/step-tries\n[[ -f /var/tmp/step-go ]]\n")
    step("later.sh", 60, "touch /var/tmp/step-later; echo y > /var/tmp/step-later\n")
    node = WORKERS[0]
    wait_for("two tries", lambda: read_on(node, "/var/tmp/step-tries").count("x") >= 2)
    assert read_on(node, "/var/tmp/step-later") == ""
    for each in WORKERS:
        box("exec", each, "--", "touch", "/var/tmp/step-go")
    wait_for("the later step", lambda: read_on(node, "/var/tmp/step-later") == "y\n")


def test_every_node_says_what_it_was_configured_with() -> None:
    for node in fetch("nodes")["items"]:
        assert node["metadata"]["annotations"].keys() >= {CONFIGURED, "registry.deckhouse.io/version"}
        assert node["metadata"]["labels"]["node.deckhouse.io/containerd-config-registry"] == "default"


def test_a_changed_pull_secret_restarts_deckhouse_alone_and_then_its_copies_follow() -> None:
    original = fetch("secret", "deckhouse-registry", "-n", "d8-system")["data"]
    before = fetch_pods()
    config = json.loads(base64.b64decode(original[DOCKER_CONFIG]))
    ((host, entry),) = config["auths"].items()
    config["auths"][f"{host}/deckhouse"] = entry
    changed = base64.b64encode(json.dumps(config).encode()).decode()
    try:
        box("takeover-delay", "600")  # the copies come when the test lets them
        patch_secret(changed)
        checksum = compute_checksum(parse_registry_secret({**original, DOCKER_CONFIG: changed}))
        wait_for("deckhouse is Ready with the new content", lambda: has_taken_over(checksum))
        assert all(read_copy(namespace) != changed for namespace in COPY_NAMESPACES), "copies come after deckhouse"
        box("takeover-delay", "0")
        wait_for("every copy", lambda: all(read_copy(namespace) == changed for namespace in COPY_NAMESPACES))
        after = fetch_pods()
        assert {name for name in before if not name.startswith("deckhouse-")} <= set(after)
    finally:
        box("takeover-delay", str(DEFAULT_SECONDS))
        patch_secret(original[DOCKER_CONFIG])
        wait_for(
            "every copy as before",
            lambda: all(read_copy(namespace) == original[DOCKER_CONFIG] for namespace in COPY_NAMESPACES),
        )


def patch_secret(docker_config: str) -> None:
    patch = json.dumps({"data": {DOCKER_CONFIG: docker_config}})
    box("kubectl", "patch", "secret", "deckhouse-registry", "-n", "d8-system", "--type=merge", "-p", patch)


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


def fetch_pods() -> dict[str, str]:
    """Pods of the platform that are to live on; those of Jobs come and go."""
    names = [pod["metadata"] for pod in fetch("pods", "-A")["items"]]
    lasting = [entry for entry in names if all(one["kind"] != "Job" for one in entry.get("ownerReferences", ()))]
    return {entry["name"]: entry["uid"] for entry in lasting if entry["namespace"] != "default"}


def show(node: str, unit: str, key: str) -> str:
    return box("exec", node, "--", "systemctl", "show", unit, "-p", key, "--value").strip()


def test_a_killed_containerd_comes_back_and_its_containers_live_on() -> None:
    node = WORKERS[0]
    pid = show(node, "containerd", "MainPID")
    started = containers_of(node)
    box("exec", node, "--", "sh", "-c", f"kill -9 {pid}")
    wait_for("another containerd", lambda: show(node, "containerd", "MainPID") not in {"0", pid})
    wait_for("containerd says that it is ready", lambda: show(node, "containerd", "ActiveState") == "active")
    assert show(node, "containerd", "NRestarts") == "1"
    assert started
    wait_for("the containers", lambda: containers_of(node) == started)


def containers_of(node: str) -> set[str]:
    return set(box("exec", node, "--", "ctr", "-n", "k8s.io", "tasks", "list", "-q").split())


def test_the_machines_own_systemctl_is_out_of_reach_on_a_node() -> None:
    assert "stand-in" in box("exec", WORKERS[0], "--", "cat", "/usr/bin/systemctl")
