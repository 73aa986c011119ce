# SPDX-License-Identifier: Apache-2.0
"""The drill for the night: the old registry is dead and deckhouse does not run; a shell on one master has to do.

What is followed is what `registry-node rescue help` prints there, command by command; nothing else is known.
"""

import re
import shlex
import subprocess
import time
from collections.abc import Iterator

import pytest

from box.layout import KUBECONFIG, PYTHON, REPOSITORY
from box.registries import running
from box.registries.catalogue import Registry
from box.scenario import Scenario
from box.scenario.chain import A, B
from box.state import read_state
from tests.support.box_command import await_that, box, fetch, run

pytestmark = [pytest.mark.full, pytest.mark.timeout(1500)]

MASTER = "master-0"
PROCEDURE_SECONDS = 600.0
CA_FILE = "/root/rescue-ca.crt"
STEP_COMMANDS = ("registry-node", "systemctl", "kubectl")


@pytest.fixture
def night() -> Iterator[Scenario]:
    """Direct to a registry that is dead, deckhouse's pod deleted: it cannot be pulled again."""
    if read_state() is not None:
        pytest.fail("a box is there already; end it first: python -m box down")
    try:
        run("up", "--masters", "1", "--workers", "1")
        with Scenario(load=False, tenants=()) as scenario:
            scenario.edit(scenario.direct(A))
            scenario.wait_ready(420)
            scenario.start_registry(B)
            # A master's administrator has a kubeconfig of his own, as on the platform.
            install = f"install -D -m 0600 /dev/stdin /root/.kube/config <<'END'\n{KUBECONFIG.read_text()}\nEND\n"
            type_in(install)
            scenario.fault(A, "down")
            run("kubectl", "-n", "d8-system", "delete", "pod", "-l", "app=deckhouse", "--wait=true")
            await_that("deckhouse cannot be pulled", lambda: "ImagePull" in describe_deckhouse(), 180)
            yield scenario
    finally:
        subprocess.run([PYTHON, "-m", "box", "down"], cwd=REPOSITORY, check=True)


def type_in(text: str) -> str:
    """Type into a shell on the master; fails with what was shown when its last command failed."""
    return run("shell", MASTER, content=f"set -e\n{text}\n")


def read_steps() -> dict[int, list[str]]:
    """The commands of each step of the printed procedure."""
    steps: dict[int, list[str]] = {}
    number = 0
    printed = type_in("registry-node rescue help")
    for line in printed.partition("Options of install")[0].splitlines():
        if found := re.match(r"\s+(\d)\. ", line):
            number = int(found[1])
        if line.split()[:1] and line.split()[0] in STEP_COMMANDS:
            steps.setdefault(number, []).append(line.strip())
    return steps


def describe_deckhouse() -> str:
    """Why deckhouse's containers wait, and "Ready" where a pod is."""
    words = []
    for pod in fetch("pods", "-n", "d8-system", "-l", "app=deckhouse")["items"]:
        statuses = pod.get("status", {}).get("containerStatuses", ())
        words += [status["state"].get("waiting", {}).get("reason", "") for status in statuses]
        words += ["Ready" for status in statuses if status["ready"]]
    return " ".join(words)


def fill_in(command: str, registry: Registry) -> str:
    """The command of step 1 with a registry's address, its user and the file of its authority."""
    path = f"https://{registry.authority}/{registry.paths[0]}"
    filled = command.replace("https://HOST[:PORT]/PATH", shlex.quote(path))
    filled = filled.replace("[--user NAME]", f"--user {shlex.quote(registry.user)}")
    return filled.replace("[--ca FILE]", f"--ca {CA_FILE}")


def test_the_printed_procedure_alone_lets_a_master_pull_again_in_ten_minutes(night: Scenario) -> None:
    registry, login = night.start_registry(B), running.find_login(B)
    started = time.monotonic()
    steps = read_steps()
    assert sorted(steps) == [1, 2, 3, 5]
    authority = running.get_files(registry.name).ca.read_text()
    type_in(f"cat >{CA_FILE} <<'END'\n{authority}\nEND")
    (install,) = steps[1]
    print(type_in(f"{fill_in(install, registry)} <<'END'\n{login.password}\nEND"))
    for command in (*steps[2], *steps[3]):
        print(command, type_in(command), sep="\n")
    seconds = time.monotonic() - started
    print(f"deckhouse runs again {seconds:.0f} s after the procedure was read")
    assert "Ready" in describe_deckhouse()
    assert seconds < PROCEDURE_SECONDS
    # Step 4 is the one in words.
    night.edit(night.direct(B))
    night.wait_ready(420)
    for command in steps[5]:
        print(command, type_in(command), sep="\n")
    assert "RESCUE" not in type_in("registry-node status")
    assert box("exec", MASTER, "--", "test", "-e", "/var/lib/kubelet/config.json").returncode != 0
    reference = fetch("deployment", "deckhouse", "-n", "d8-system")["spec"]["template"]["spec"]["containers"][0][
        "image"
    ]
    run("kubectl", "-n", "d8-system", "delete", "pod", "-l", "app=deckhouse", "--wait=true")
    await_that(f"{reference} is pulled by the plan's own source", lambda: "Ready" in describe_deckhouse(), 180)
