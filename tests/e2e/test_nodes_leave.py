# SPDX-License-Identifier: Apache-2.0
"""The module is disabled on a real cluster under load: in Direct all goes on, from Unmanaged nothing is left on nodes.

One box for both; the tests run in the order of this file.
"""

import base64
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from box.inventory import read_nodes
from box.layout import PYTHON, REPOSITORY
from box.load.bases import FIXED_HOST
from box.scenario import Scenario
from box.scenario.chain import A
from box.state import read_state
from tests.support.box_command import await_that, box, fetch, run

pytestmark = [pytest.mark.full, pytest.mark.timeout(1500)]

STATE_LABEL = "registry.deckhouse.io/node-state"
REPORT = "registry.deckhouse.io/node-report"
LOAD_SECONDS = 30.0
FIND_OURS = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /usr \\) -prune -o -name '*registry-node*' -print;"
    " find /etc/containerd /run/registry-node /run/systemd -name '*registry-node*' -print 2>/dev/null || true"
)


@pytest.fixture(scope="module", autouse=True)
def box_in_direct() -> Iterator[None]:
    if read_state() is not None:
        pytest.fail("a box is there already; end it first: python -m box down")
    try:
        run("up", "--masters", "1", "--workers", "2", "--containerd17", "worker-1")
        # With tenants from the start: nodes keep the authority of a real host only while something names it.
        with Scenario(load=False) as scenario:
            scenario.edit(scenario.direct(A))
            scenario.wait_ready(420)
        yield
    finally:
        subprocess.run([PYTHON, "-m", "box", "down"], cwd=REPOSITORY, check=True)


def enable(is_enabled: bool) -> None:
    """Apply ModuleConfig `registry`, which need not be there yet, with that switch."""
    about = {"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "registry"}}
    document = {**about, "spec": {"version": 1, "enabled": is_enabled}}
    run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-", content=json.dumps(document))


def has_hosts(wanted: dict[str, str]) -> Callable[[], bool]:
    """Whether all nodes have these texts; a folder that is not there is another text."""

    def look() -> bool:
        path = f"/etc/containerd/registry.d/{FIXED_HOST}/hosts.toml"
        return {node: box("exec", node, "--", "cat", path).stdout for node in wanted} == wanted

    return look


def read_hosts() -> dict[str, str]:
    """The text that containerd reads for the fixed address, by node."""
    path = f"/etc/containerd/registry.d/{FIXED_HOST}/hosts.toml"
    return {node.name: run("exec", node.name, "--", "cat", path) for node in read_nodes()}


def is_marked_disabled() -> bool:
    """Whether the module remembers that it was disabled: the hooks of its leaving have run."""
    secret = fetch("secret", "registry-state", "-n", "d8-system")
    return re.search(r'disabled"?: *"?\d{4}-', base64.b64decode(secret["data"]["state"]).decode()) is not None


def test_disabled_in_direct_every_pull_goes_on_and_enabled_again_it_is_ready() -> None:
    before = read_hosts()
    with Scenario() as scenario:
        enable(False)
        await_that("the module knows that it is disabled", is_marked_disabled)
        time.sleep(LOAD_SECONDS)
        verdict = scenario.judge()
    assert read_hosts() == before
    assert all(STATE_LABEL in node["metadata"]["labels"] for node in fetch("nodes")["items"])
    for node in read_nodes():
        run("exec", node.name, "--", "rm", "-r", f"/etc/containerd/registry.d/{FIXED_HOST}")
    await_that("nodes put back what pulls depend on, without the module", has_hosts(before), 60)
    print(verdict.describe())
    assert verdict.counted
    assert verdict.is_good, verdict.describe()
    enable(True)
    with Scenario(load=False, tenants=()) as scenario:
        scenario.wait_for("the module is ready again", lambda seen: seen.view.is_true("Ready"), 180)
    await_that("the mark is gone", lambda: not is_marked_disabled())


def test_back_in_unmanaged_a_disabled_module_leaves_nothing_on_nodes_and_fails_no_pull() -> None:
    with Scenario(load=False, tenants=()) as scenario:
        scenario.edit(scenario.unmanaged(A))
        scenario.wait_ready(420)
    with Scenario() as scenario:
        enable(False)
        await_that(
            "every Node is without our label and report",
            lambda: (
                not any(
                    STATE_LABEL in node["metadata"]["labels"] or REPORT in node["metadata"].get("annotations", {})
                    for node in fetch("nodes")["items"]
                )
            ),
            300,
        )
        time.sleep(LOAD_SECONDS)
        verdict = scenario.judge()
    for node in read_nodes():
        assert run("exec", node.name, "--", "sh", "-c", FIND_OURS) == ""
        listed = run(
            "exec", node.name, "--", "sh", "-c", "ls -A /etc/containerd/registry.d 2>/dev/null || true"
        ).split()
        assert FIXED_HOST not in listed, node.name
        assert "registry-a.box.test" not in listed, node.name
    print(verdict.describe())
    assert verdict.counted
    # Turning config_path off restarts containerd once a node: the platform's own doing, when the module has left.
    restarts = {f"containerd on {node.name}: 1 times before any switch, 0 allowed" for node in read_nodes()}
    wrong = [one for one in verdict.violations if one.rule != "restarted" or one.text not in restarts]
    assert wrong == [], verdict.describe()
