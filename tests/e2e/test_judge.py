# SPDX-License-Identifier: Apache-2.0
"""The judge on a real box: a quiet run is good, and each violation that is planted into the cluster fails its run.

Factors: what is planted (a folder that leads a tenant's pulls elsewhere, a failed pull, a secret among arguments, in an
event, in an annotation, a restart, a login at a registry that is no source). Each run takes seconds; one box for all.
"""

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from box import core, node
from box.build import Tools, build_all
from box.down import find_remains
from box.inventory import get_node
from box.judge.verdict import Verdict, add_remains
from box.layout import PYTHON, REPOSITORY, RUN
from box.load.pulls import Role
from box.registries import running
from box.registries.catalogue import get_registry
from box.report import Report
from box.scenario import Scenario
from box.state import read_state

pytestmark = [pytest.mark.box, pytest.mark.full, pytest.mark.timeout(900)]

WORKER = "worker-0"
A, B = get_registry("a"), get_registry("b")
FOLDER = "etc/containerd/registry.d"
LOAD_SECONDS = 12.0
EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "planted", "namespace": "d8-system"},
    "involvedObject": {"kind": "Pod", "namespace": "d8-system", "name": "x"},
    "reason": "Planted",
    "type": "Normal",
}


@pytest.fixture(scope="module")
def tools() -> Iterator[Tools]:
    if read_state() is not None:
        pytest.fail("a box is there already; end it first: python -m box down")
    made = build_all(Report())
    command = [str(PYTHON), "-m", "box"]
    try:
        subprocess.run([*command, "up"], cwd=REPOSITORY, check=True)
        yield made
    finally:
        subprocess.run([*command, "down"], cwd=REPOSITORY, check=True)


def judge(tools: Tools, plant: Callable[[Scenario], object], *, seconds: float = LOAD_SECONDS) -> Verdict:
    """A run at rest under load into which something is planted."""
    with Scenario(tools=tools) as run:
        plant(run)
        time.sleep(seconds)
        return run.judge()


def read_rules(verdict: Verdict) -> set[str]:
    print(verdict.describe())
    return {one.rule for one in verdict.violations}


def test_a_run_in_which_nothing_happens_is_good_and_its_pulls_count(tools: Tools) -> None:
    verdict = judge(tools, lambda run: None)
    assert verdict.is_good, verdict.describe()
    assert {pull.role for pull in verdict.counted} == {Role.NEW, Role.TENANT}
    assert {pull.node for pull in verdict.counted} == {"master-0", "worker-0", "worker-1"}


def test_a_folder_that_leads_a_tenants_pulls_to_another_registry_fails_the_run(tools: Tools) -> None:
    folder = get_node(WORKER).disk / FOLDER / A.authority
    found = folder.exists()
    kept = {path.name: path.read_bytes() for path in folder.glob("*")} if found else {}

    def plant(run: Scenario) -> None:
        run.start_registry(B.name)
        ca = folder / "planted-ca.crt"
        folder.mkdir(exist_ok=True)
        ca.write_bytes(running.get_files(B.name).ca.read_bytes())
        text = f'[host."https://{B.authority}"]\ncapabilities = ["pull", "resolve"]\nca = ["{ca.name}"]\n'
        (folder / "hosts.toml").write_text(text)

    turn_config_path_on(tools)
    # The node program notices a foreign write within a second and puts the folder back, so it has to be away.
    units = ["registry-node.path", "registry-node.timer"]
    node.exec(WORKER, ["systemctl", "stop", *units])
    try:
        rules = read_rules(judge(tools, plant, seconds=20))
    finally:
        for path in folder.glob("*"):
            path.unlink()
        for name, content in kept.items():
            (folder / name).write_bytes(content)
        if not found:
            folder.rmdir()
        node.exec(WORKER, ["systemctl", "start", *units])
    assert "tenant abroad" in rules


def turn_config_path_on(tools: Tools) -> None:
    """Have containerd read registry.d, by a switch to Direct, as a cluster gets there."""
    with Scenario(tools=tools, load=False, tenants=()) as run:
        run.edit(run.direct(A.name))
        run.wait_ready(timeout=400)


def test_a_failed_pull_fails_the_run(tools: Tools) -> None:
    def plant(_run: Scenario) -> None:
        running.set_fault(A.name, "403")  # behind the scenario's back: it names no excuse
        time.sleep(6)
        running.set_fault(A.name, "clear")

    assert "failed pull" in read_rules(judge(tools, plant))


def test_a_secret_among_the_arguments_of_a_short_process_fails_the_run(tools: Tools) -> None:
    password = running.find_login(A.name).password
    verdict = judge(tools, lambda _: core.exec(["sh", "-c", "sleep 1; true", password]), seconds=1)
    assert read_rules(verdict) == {"secret shown"}
    assert password not in verdict.describe()


@pytest.mark.parametrize("where", ["event", "annotation", "log"])
def test_a_secret_in_the_cluster_fails_the_run(tools: Tools, where: str) -> None:
    password = running.find_login(A.name).password
    note = {"metadata": {"annotations": {"planted": password}}}
    log = RUN / "logs" / "planted.log"
    path = "/api/v1/namespaces/d8-system"

    def plant(run: Scenario) -> None:
        if where == "event":
            run.api.request("POST", f"{path}/events", {**EVENT, "message": f"login with {password}"})
        elif where == "annotation":
            run.api.request("POST", f"{path}/configmaps", {**note, "metadata": {"name": "planted", **note["metadata"]}})
        else:
            log.write_text(f"-u user:{password}\n")

    try:
        assert read_rules(judge(tools, plant, seconds=1)) == {"secret shown"}
    finally:
        core.exec(["rm", "-f", log])
        with Scenario(tools=tools, load=False, tenants=()) as run:
            run.api.delete_now(f"{path}/events/planted")
            run.api.delete_now(f"{path}/configmaps/planted")


def test_a_restarted_containerd_fails_a_run_without_a_switch(tools: Tools) -> None:
    verdict = judge(tools, lambda _: node.exec(WORKER, ["systemctl", "restart", "containerd"]))
    assert "restarted" in read_rules(verdict)


def test_a_platforms_login_at_a_registry_that_is_no_source_fails_the_run(tools: Tools) -> None:
    login = running.find_login(A.name)

    def plant(run: Scenario) -> None:
        run.start_registry(B.name)
        ca = running.get_files(B.name).ca
        user = f'user = "{login.user}:{login.password}"\n'
        url = f"https://{B.authority}/v2/{B.paths[0]}/manifests/x"
        core.exec(["curl", "-sS", "--cacert", ca, "--config", "-", url], content=user)

    # Registry B reads Bearer only; what is shown to it is in its journal all the same.
    assert read_rules(judge(tools, plant, seconds=1)) == {"platform abroad"}


def test_what_is_left_after_down_fails_the_run(tools: Tools) -> None:
    verdict = judge(tools, lambda _: None, seconds=1)
    assert add_remains(verdict, ()).is_good
    # The box is still up: this is what a `down` that did nothing would leave.
    assert {"left over"} == read_rules(add_remains(verdict, tuple(find_remains())))
