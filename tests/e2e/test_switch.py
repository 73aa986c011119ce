# SPDX-License-Identifier: Apache-2.0
"""The first switch on a real cluster: refused targets first, each leaving all as it was, then the good one under load.

One box for all of it; the tests run in the order of this file.
"""

import base64
import hashlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from box.demo.session import run_switch
from box.demo.summary import list_shortfalls, list_wrongs, render_figures, render_steps
from box.inventory import read_nodes
from box.layout import PYTHON, REPOSITORY
from box.load.bases import FIXED_BASE
from box.load.node import read_folders
from box.load.pods import LOAD_LABEL
from box.platform.workloads import is_left_behind
from box.registries import running
from box.registries.tls import issue_server_certificate
from box.scenario import Scenario
from box.state import read_state
from box.watch.api import Api
from box.watch.view import STATE_PATH, SwitchView, read_view

pytestmark = [pytest.mark.box, pytest.mark.timeout(900)]

ANSWER_SECONDS = 60.0
WRONG_PASSWORD = "not-the-password-4711"
LICENCE = "licence-4711-not-to-be-shown"
# What the module remembers, asks and prepares for itself; nothing pulls with it. All else must stay as it is.
OWN_NOTES = frozenset({"registry-state", "registry-checks", "registry-questions", "registry-pki"})
PLAN = "registry-node-plan"


@pytest.fixture(scope="module", autouse=True)
def running_box() -> Iterator[None]:
    if read_state() is not None:
        pytest.fail("a box is there already; end it first: python -m box down")
    try:
        run_box("up")
        yield
    finally:
        run_box("down")


@pytest.fixture(scope="module")
def quiet() -> Iterator[Scenario]:
    """A scenario without load: what is refused is to leave everything as it is."""
    with Scenario(load=False, tenants=()) as run:
        yield run


@pytest.fixture
def target(quiet: Scenario) -> dict[str, Any]:
    """The section of a good target, for tests to spoil."""
    return quiet.direct("registry-a")


def run_box(command: str) -> None:
    """Run `box up` or `box down` as a process of its own: the box outlives whoever brings it up."""
    subprocess.run([PYTHON, "-m", "box", command], cwd=REPOSITORY, check=True)


def test_an_invalid_configuration_changes_nothing_and_names_field_and_rule(
    quiet: Scenario, target: dict[str, Any]
) -> None:
    target["direct"]["license"] = LICENCE
    before = describe_cluster(quiet.api)
    view = apply_and_await(quiet, target, r"license")
    ready = view.find("Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "InvalidSettings")
    assert "username" in ready.message
    assert_untouched(quiet, view, before)


def test_direct_without_its_section_changes_nothing(quiet: Scenario) -> None:
    before = describe_cluster(quiet.api)
    view = apply_and_await(quiet, {"mode": "Direct"}, r"direct: is required with mode Direct")
    assert_untouched(quiet, view, before)


def test_a_wrong_password_is_refused_with_that_reason(quiet: Scenario, target: dict[str, Any]) -> None:
    target["direct"]["password"] = WRONG_PASSWORD
    check_refused(quiet, target, r"401|password|credentials|unauthenticated")


def test_an_untrusted_certificate_is_refused_with_that_reason(quiet: Scenario, target: dict[str, Any]) -> None:
    target["direct"]["ca"] = issue_server_certificate("elsewhere.test", ["10.111.0.250"]).ca.decode()
    check_refused(quiet, target, r"certificate|untrusted")


def test_a_registry_that_does_not_answer_is_refused_with_that_reason(quiet: Scenario, target: dict[str, Any]) -> None:
    # The address exists and nothing listens on the port.
    target["direct"]["imagesRepo"] = "registry-a.box.test:444/deckhouse/ee"
    check_refused(quiet, target, r"refused|unreachable|timed? ?out|no route")


def test_the_switch_to_direct_loses_no_pull_and_ends_in_time(quiet: Scenario) -> None:
    # The last of the refused targets is taken back first, as an administrator would.
    quiet.edit(quiet.unmanaged())
    quiet.wait_ready()
    with Scenario(tools=quiet.tools) as run:
        result = run_switch(run, Console(highlight=False))
    print(render_steps(result.spans, result.verdict.counted, result.ready or result.edited))
    print(render_figures(result))
    # How fast it was is the demo's to judge: a test must not depend on the machine's speed.
    print(*list_shortfalls(result), sep="\n")
    assert list_wrongs(result) == ()
    assert len(result.proofs) == 3


def test_ready_came_after_the_workloads_that_are_slow_to_follow(quiet: Scenario) -> None:
    base = f"{FIXED_BASE.host}{FIXED_BASE.path}"
    report = quiet.api.fetch("/apis/batch/v1/namespaces/d8-monitoring/cronjobs/report")
    early_oom = quiet.api.fetch("/apis/apps/v1/namespaces/d8-monitoring/daemonsets/early-oom")
    templates = {
        "report": report["spec"]["jobTemplate"]["spec"]["template"],
        "early-oom": early_oom["spec"]["template"],
    }
    assert [name for name, template in templates.items() if is_left_behind({"metadata": {}, **template}, base)] == []
    pods = quiet.api.fetch_items("/api/v1/namespaces/d8-monitoring/pods")
    running = [pod for pod in pods if pod["status"]["phase"] in ("Pending", "Running") and not is_of_load(pod)]
    assert len([pod for pod in running if pod["metadata"]["name"].startswith("early-oom-")]) == len(read_nodes())
    assert [pod["metadata"]["name"] for pod in running if is_left_behind(pod, base)] == []


def is_of_load(pod: dict[str, Any]) -> bool:
    return LOAD_LABEL in (pod["metadata"].get("labels") or {})


def check_refused(run: Scenario, section: dict[str, Any], words: str) -> None:
    before = describe_cluster(run.api)
    view = apply_and_await(run, section, words)
    assert view.step in ("", "CheckImages")
    assert not view.is_true("RegistryContainsRequiredImages")
    assert_untouched(run, view, before)


def apply_and_await(run: Scenario, section: dict[str, Any], words: str) -> SwitchView:
    """Apply, and wait until a condition that is not True says what is expected of it."""
    seen_before = {one.message for one in fetch_view(run.api).conditions}
    run.edit(section)
    run.give_up()
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        view = fetch_view(run.api)
        told = [one.message for one in view.conditions if one.status != "True" and one.message not in seen_before]
        if any(re.search(words, message, re.IGNORECASE) for message in told):
            return view
        time.sleep(0.5)
    pytest.fail(f"no condition says /{words}/ after {ANSWER_SECONDS:.0f} s; they say: {fetch_view(run.api).conditions}")


def assert_untouched(run: Scenario, view: SwitchView, before: dict[str, str]) -> None:
    assert view.mode == "Unmanaged"
    told = json.dumps([(one.reason, one.message) for one in view.conditions])
    for secret in (*running.list_secrets(), WRONG_PASSWORD, LICENCE):
        assert secret not in told
    assert describe_cluster(run.api) == before


def fetch_view(api: Api) -> SwitchView:
    return read_view(api.find(STATE_PATH))


def describe_cluster(api: Api) -> dict[str, str]:
    """A hash of every Secret, of what nodes are to have, of every workload, and of each node's registry folders."""
    found: dict[str, Any] = {}
    for secret in api.fetch_items("/api/v1/secrets"):
        meta = secret["metadata"]
        if meta["name"] == PLAN:
            found["what nodes are to have"] = read_wanted(secret)
        elif meta["name"] not in OWN_NOTES:
            found[f"Secret {meta['namespace']}/{meta['name']}"] = secret.get("data")
    for kind in ("deployments", "daemonsets"):
        for item in api.fetch_items(f"/apis/apps/v1/{kind}"):
            found[f"{kind} {item['metadata']['namespace']}/{item['metadata']['name']}"] = item["spec"]
    found |= {f"registry.d of {node.name}": read_folders(node) for node in read_nodes()}
    return {name: hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest() for name, what in found.items()}


def read_wanted(secret: dict[str, Any]) -> list[Any]:
    """Folders and proofs of every layout of the node plan; its token and interval change nothing on a node."""
    plan = json.loads(base64.b64decode(secret["data"]["plan"]))
    return [(layout["folders"], layout["proofs"]) for _, layout in sorted(plan["layouts"].items())]
