# SPDX-License-Identifier: Apache-2.0
"""Both generations of containerd in one cluster: switches under load, a reboot in the middle, and what nodes report.

Factors: containerd 2.x (worker-0) and 1.7 (worker-1, master-0) x each fault of a registry. One box; the tests run in
the order of this file. A fault meets nodes that have forgotten everything, as ones that join: they prove the plan anew.
"""

import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from box.inventory import read_nodes
from box.layout import PYTHON, REPOSITORY
from box.registries import running
from box.scenario import Scenario
from box.scenario.chain import A, B
from box.state import read_state
from tests.support.box_command import await_that, box, read_annotations, run

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

LOAD_SECONDS = 5.0
KEEP = "/var/lib/registry-node"
WORKERS = ("worker-0", "worker-1")
PROOF_SECONDS = 60.0
FAULTS = {
    "down": "tcp",
    "503": "server",
    "403": "auth",
    "wrong-ca": "tls",
    "expired": "tls",
    "layer-missing": "not-found",
    "wrong-bytes": "other",
    "password": "auth",
    "429=7": "rate-limited",
    "hang": "timeout",
}


@pytest.fixture(scope="module", autouse=True)
def mixed_box() -> Iterator[None]:
    if read_state() is not None:
        pytest.fail("a box is there already; end it first: python -m box down")
    try:
        old = ("--containerd17", "worker-1", "--containerd17", "master-0")
        run("up", "--masters", "1", "--workers", "2", *old)
        yield
    finally:
        subprocess.run([PYTHON, "-m", "box", "down"], cwd=REPOSITORY, check=True)


@pytest.fixture
def forgetful() -> Iterator[None]:
    """What was broken is mended, and nodes have proven the plan again."""
    yield
    running.set_fault(B, "clear")
    for node in WORKERS:
        forget(node)
        await_report(node, "")


def forget(node: str) -> None:
    """Let a node meet the plan as one that joins; a round that is under way ends first."""
    run("exec", node, "--", "flock", "/run/registry-node/lock", "rm", "-rf", KEEP, "/run/registry-node/reported")
    box("exec", node, "--", "registry-node", "run")


def await_report(node: str, failure: str) -> None:
    """Wait until a node says that it failed by this class; "": that it is well."""
    wanted = ("failing", failure) if failure else ("applied", "")

    def look() -> bool:
        told = read_report(node)
        return (told["result"], told["class"]) == wanted

    await_that(f"{node} reports {wanted}", look, PROOF_SECONDS + 30)


def read_report(node: str) -> dict[str, str]:
    report: dict[str, str] = json.loads(read_annotations(node)["registry.deckhouse.io/node-report"])
    return report


def test_both_generations_are_switched_under_load_and_a_reboot_in_the_middle_harms_nothing() -> None:
    with Scenario() as scenario:
        time.sleep(LOAD_SECONDS)
        scenario.edit(scenario.direct(A))
        scenario.wait_ready(420)
        scenario.edit(scenario.direct(B))
        scenario.wait_step("AddSource")
        scenario.cut_power("worker-1")
        scenario.restore_power("worker-1")
        scenario.wait_ready(420)
        time.sleep(LOAD_SECONDS)
        verdict = scenario.judge()
    print(verdict.describe())
    assert {pull.node for pull in verdict.counted} == {node.name for node in read_nodes()}
    assert verdict.is_good, verdict.describe()


@pytest.mark.parametrize(("word", "expected"), FAULTS.items(), ids=FAULTS)
def test_each_fault_of_a_registry_is_reported_in_its_class_by_both_generations(
    forgetful: None, word: str, expected: str
) -> None:
    running.set_fault(B, word)
    started = time.monotonic()
    for node in WORKERS:
        forget(node)
    for node in WORKERS:
        await_report(node, expected)
    print(f"{word}: {read_report(WORKERS[0])['message']}")
    # Both were asked one after the other.
    assert time.monotonic() - started < 2 * PROOF_SECONDS + 30
