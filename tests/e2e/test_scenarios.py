# SPDX-License-Identifier: Apache-2.0
"""What an administrator fears, on a real cluster under load: the chains of switches, and each way in which one fails.

Factors: what the cluster pulls by, what breaks, when it breaks, whether anybody else (nodes, the operator) is in
the way. In each scenario the judge has the last word.
"""

import base64
import json
import subprocess
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from box import api, nodelife
from box.blocking import Way, block, unblock
from box.inventory import read_nodes
from box.judge.allowance import Allowance
from box.judge.facts import Excuse
from box.judge.verdict import Verdict
from box.layout import PYTHON, REPOSITORY
from box.load.bases import FIXED_BASE, FIXED_HOST
from box.load.node import read_folders
from box.nodefaults import set_fault
from box.registries import running
from box.registries.catalogue import get_registry
from box.scenario import Scenario
from box.scenario.chain import CHAIN, CHAIN_FROM_DEAD, OTHER_PATH, A, B, Leg, run_chain
from box.scenario.module_config import request_of_module, set_module_settings
from box.scenario.progress import Progress
from box.state import read_state
from box.watch.follow import Moment
from box.watch.view import describe_wait

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]

SWITCH_SECONDS = 420.0
LOAD_SECONDS = 5.0


@pytest.fixture
def fresh_box() -> Iterator[None]:
    """A box of its own for a test, in Unmanaged."""
    yield from _have_box()


@pytest.fixture(scope="module")
def box_in_direct() -> Iterator[None]:
    """One box for many tests, each of which begins and ends in Direct(A) at rest."""
    for _ in _have_box():
        # With the tenant: what names the real host is why its CA stays on the nodes.
        with Scenario(load=False) as run:
            run.edit(run.direct(A))
            run.wait_ready(SWITCH_SECONDS)
        yield


@pytest.fixture
def run(box_in_direct: None) -> Iterator[Scenario]:
    """A scenario under load in Direct(A); what a test has broken is mended, and it ends where it began."""
    progress = Progress(print)
    with Scenario(say=progress.say) as scenario:
        home = scenario.present
        time.sleep(LOAD_SECONDS)
        yield scenario
        for registry in running.list_running():
            running.set_fault(registry.name, "clear")
        set_module_settings()
        unblock()
        is_away = scenario.present != home
        scenario.edit(scenario.direct(A))
        if is_away:
            scenario.wait_ready(SWITCH_SECONDS)
        scenario.wait_for("rest in Direct(A)", is_at_rest, SWITCH_SECONDS)


def _have_box() -> Iterator[None]:
    if read_state() is not None:
        pytest.fail("a box is there already; end it first: python -m box down")
    try:
        subprocess.run([PYTHON, "-m", "box", "up"], cwd=REPOSITORY, check=True)
        yield
    finally:
        subprocess.run([PYTHON, "-m", "box", "down"], cwd=REPOSITORY, check=True)


@pytest.mark.parametrize(
    "legs", [pytest.param(CHAIN, id="from a living registry"), pytest.param(CHAIN_FROM_DEAD, id="from a dead one")]
)
def test_a_cluster_goes_through_every_switch_without_a_failed_pull(fresh_box: None, legs: tuple[Leg, ...]) -> None:
    progress = Progress(print)
    with Scenario(say=progress.say) as run:
        time.sleep(LOAD_SECONDS)
        finished = run_chain(run, legs, progress.show)
        verdict = run.judge()
    for one in finished:
        print(f"{one.name}: {one.seconds:.1f} s")
    assert len(finished) == len(legs)
    assert_good(verdict)


def test_a_target_that_breaks_before_the_point_of_no_return_is_rolled_back(run: Scenario) -> None:
    set_module_settings(stepDeadline="20s")
    run.edit(run.direct(B))
    run.wait_step("AddSource")
    run.fault(B, "down")
    moment = run.wait_for("rolled back", lambda seen: not seen.view.step and is_ready_reason(seen, ""))
    ready = moment.view.find("Ready")
    assert ready is not None
    assert "rolled back" in ready.message
    assert list_sources() == {node.name: [get_registry(A).host] for node in read_nodes()}
    run.give_up()
    time.sleep(LOAD_SECONDS)
    assert_good(run.judge())


def test_a_target_that_hangs_once_it_is_preferred_is_put_behind_the_old_one(run: Scenario) -> None:
    run.edit(run.direct(B))
    run.wait_step("PreferNew", SWITCH_SECONDS)
    run.wait_for("the new source in front", lambda _: all(one[0] == get_registry(B).host for one in fronts()))
    hung = datetime.now(UTC)
    run.fault(B, "hang")
    run.wait_for("a hold", lambda seen: is_ready_reason(seen, "Holding"), 240)
    run.wait_for("the old source in front", lambda _: all(one[0] == get_registry(A).host for one in fronts()), 120)
    # A source that hangs has no fallback behind it: what was asked of it in this window could not go well.
    why = "the preferred registry hung"
    run.excuse(Excuse(why=why, started=hung, ended=datetime.now(UTC), base=f"{FIXED_BASE.host}{FIXED_BASE.path}"))
    run.fault(B, "clear")
    request_of_module("retry")
    run.wait_ready(SWITCH_SECONDS)
    assert_good(run.judge())


def test_a_node_without_power_does_not_hold_a_switch_and_catches_up(run: Scenario) -> None:
    set_module_settings(unreachableGrace="30s")
    lagging = read_nodes()[-1]
    run.cut_power(lagging.name)
    run.edit(run.direct(B))
    moment = run.wait_ready(SWITCH_SECONDS).last
    ready = moment.view.find("Ready")
    assert ready is not None
    assert lagging.name in ready.message

    def has_caught_up(_: Moment) -> bool:
        return list_sources().get(lagging.name) == [get_registry(B).host]

    # Between its boot and its first round it has the old source alone (docs/README.md).
    run.restore_power(lagging.name, then=lambda: run.wait_for("the node has caught up", has_caught_up))
    time.sleep(LOAD_SECONDS)
    assert_good(run.judge())


def test_a_node_whose_clock_is_behind_is_named_and_the_switch_goes_on_when_it_is_right(run: Scenario) -> None:
    late = read_nodes()[-1]
    # The old registry's certificate is not valid yet either, for this node.
    run.load.rest_node(late.name)
    run.excuse(Excuse(why=f"the clock of {late.name} was behind", started=datetime.now(UTC), node=late.name))
    set_fault(late.name, ["clock", "-1d"])
    try:
        run.edit(run.direct(B))
        run.wait_for("the node says why", lambda seen: "clock" in describe_wait(seen.view), SWITCH_SECONDS)
        assert late.name in describe_wait(run.wait_step("AddSource").view)
    finally:
        set_fault(late.name, ["clock", "reset"])
    run.wait_ready(SWITCH_SECONDS)
    assert list_sources()[late.name] == [get_registry(B).host]
    assert_good(run.judge())


def test_a_node_that_joins_in_mid_switch_pulls_like_the_others(run: Scenario) -> None:
    run.edit(run.direct(B))
    run.wait_step("AddSource")
    joined = run.join_node("worker-9")
    try:
        run.wait_ready(SWITCH_SECONDS)
        assert list_sources()[joined.name] == [get_registry(B).host]
        time.sleep(LOAD_SECONDS * 2)
        verdict = run.judge()
        assert any(pull.node == joined.name for pull in verdict.counted)
        assert_good(verdict)
    finally:
        nodelife.remove_node(joined.name)


def test_another_edition_restarts_deckhouse_as_documented_and_no_other_pod(run: Scenario) -> None:
    switch = run.edit(run.direct(A, path="archive/d8/ee", check_mode="Relax"))
    assert switch.allowance == Allowance(deckhouse=1, workloads=1)
    run.wait_ready(SWITCH_SECONDS)
    verdict = run.judge()
    restarted = [one.owner for one in run.gather().restarts]
    assert restarted == ["Deployment d8-system/deckhouse"]  # every digest is the same in the box's editions
    assert_good(verdict)


def test_with_main_blocked_a_change_of_registry_alone_ends_ready(run: Scenario) -> None:
    run.edit(run.direct(A, path=OTHER_PATH))
    run.wait_step("CheckImages", 30)
    block(Way.CHART)
    run.wait_ready(SWITCH_SECONDS)
    unblock()
    assert_good(run.judge())


def test_with_main_blocked_a_change_of_credentials_holds_names_the_queue_and_goes_on_when_it_is_free(
    run: Scenario,
) -> None:
    set_module_settings(stepDeadline="30s")
    run.edit(run.direct(B))
    run.wait_step("CheckImages", 30)
    block(Way.CHART)
    moment = run.wait_for("a hold", lambda seen: is_ready_reason(seen, "Holding"), SWITCH_SECONDS)
    ready = moment.view.find("Ready")
    assert ready is not None
    assert "queue main" in ready.message
    assert moment.view.step == "SwitchAddress"
    time.sleep(LOAD_SECONDS)
    set_module_settings()  # half a minute was for the hold: what follows takes as long as the machine does
    unblock()
    run.wait_for("going on", lambda seen: not is_ready_reason(seen, "Holding"), 120)
    run.wait_ready(SWITCH_SECONDS)
    assert_good(run.judge())


def test_a_cluster_put_back_to_before_a_switch_leads_its_nodes_back_and_no_pull_fails(run: Scenario) -> None:
    run.save_cluster("before")
    run.edit(run.direct(A, path=OTHER_PATH))
    run.wait_ready(SWITCH_SECONDS)
    later = max(fetch_counters())
    run.restore_cluster("before")
    run.give_up()
    run.wait_for("every node has answered to a later epoch", lambda _: min(fetch_counters()) > later, SWITCH_SECONDS)
    run.wait_for("rest", is_at_rest)
    time.sleep(LOAD_SECONDS)
    assert_good(run.judge())


def test_another_authority_restarts_deckhouse_twice_and_no_pull_fails(run: Scenario) -> None:
    before = read_authorities()
    run.request("rotate-ca", Allowance(deckhouse=2))
    run.wait_for("both are trusted", lambda _: len(read_authorities()) == 2)
    run.wait_for("another one alone", lambda seen: len(read_authorities()) == 1 and is_at_rest(seen), SWITCH_SECONDS)
    assert read_authorities() != before
    time.sleep(LOAD_SECONDS)
    assert_good(run.judge())
    assert [one.owner for one in run.gather().restarts] == ["Deployment d8-system/deckhouse"] * 2


def test_a_lost_state_is_told_and_rebuilt_on_request_and_nothing_restarts(run: Scenario) -> None:
    sources = list_sources()
    api.request("DELETE", "/api/v1/namespaces/d8-system/secrets/registry-state")
    run.wait_for("the loss is told", lambda seen: is_ready_reason(seen, "StateMissing"))
    time.sleep(LOAD_SECONDS)
    assert list_sources() == sources
    run.request("rebuild")
    run.wait_for("rest", is_at_rest, SWITCH_SECONDS)
    assert list_sources() == sources
    time.sleep(LOAD_SECONDS)
    assert_good(run.judge())


def read_authorities() -> list[str]:
    """The authorities that the platform trusts at the fixed address."""
    secret = api.request("GET", "/api/v1/namespaces/d8-system/secrets/deckhouse-registry")
    mark = "-----BEGIN CERTIFICATE-----"
    return [part.strip() for part in base64.b64decode(secret["data"]["ca"]).decode().split(mark) if part.strip()]


def assert_good(verdict: Verdict) -> None:
    """Show the figures; fail with what the judge found."""
    print(verdict.describe())
    assert verdict.is_good, verdict.describe()


def is_at_rest(moment: Moment) -> bool:
    """Whether nothing is being switched, and all is well."""
    ready = moment.view.find("Ready")
    return not moment.view.step and ready is not None and ready.status == "True"


def is_ready_reason(moment: Moment, reason: str) -> bool:
    """Whether Ready is not True, for this reason (any, where it is empty)."""
    ready = moment.view.find("Ready")
    return ready is not None and ready.status == "False" and reason in ("", ready.reason)


def fetch_counters() -> list[int]:
    """The counter of the plan that each node reported last."""
    notes = [item["metadata"].get("annotations") or {} for item in api.request("GET", "/api/v1/nodes")["items"]]
    reports = [json.loads(one["registry.deckhouse.io/node-report"]) for one in notes]
    return [int(one["token"].partition(".")[0]) for one in reports if one["result"] == "applied"] or [0]


def fronts() -> list[list[str]]:
    """The hosts that each node asks for the fixed address, in their order."""
    return list(list_sources().values())


def list_sources() -> dict[str, list[str]]:
    """The hosts that containerd asks for the fixed address, in their order, by node that runs."""
    found = {}
    for node in read_nodes():
        folders = read_folders(node)
        document = tomllib.loads(folders.get(FIXED_HOST, {}).get("hosts.toml", ""))
        urls = [*(document.get("host") or {}), *([document["server"]] if "server" in document else [])]
        hosts = [url.partition("://")[2].partition("/")[0].removesuffix(":443") for url in urls]
        found[node.name] = list(dict.fromkeys(hosts))
    return found
