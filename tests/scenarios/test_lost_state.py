# SPDX-License-Identifier: Apache-2.0
"""The state is lost, broken, or another's, and is rebuilt on request.

Factors: how it was lost (deleted, unreadable, of a newer release) x when (at rest in Direct, steps of each
transition) x what else is lost (node plan, proxy's Secret, both) x the request (none, old value, new value). After a
rebuild: no source that was on the nodes goes before evidence, and the switch ends.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from d8registry.adapters.certificates import issue_authority

from tests.support.memory_cluster import HOST, PASSWORD, MemoryCluster, direct

FIXED = "registry.d8-system.svc:5001"
NEW = direct(imagesRepo="new.example.com:5000/mirror/d8", username="mover", password="pass-4e1f0c-new")
UNMANAGED = {"mode": "Unmanaged"}
CA = issue_authority(datetime.now(UTC)).pem


def build_cluster(section: dict[str, Any] | None = None) -> MemoryCluster:
    made = MemoryCluster()
    made.settle()
    made.report()
    made.settle()
    if section is not None:
        made.edit(section)
        finish(made)
    return made


def walk(cluster: MemoryCluster, step: str) -> bool:
    """Let the world move until `step` is the present one; tells whether it was met before the switch ended."""
    for _ in range(80):
        cluster.settle()
        if cluster.step() == step:
            return True
        cluster.world()
        cluster.wait(5)
    return False


def finish(cluster: MemoryCluster) -> None:
    for _ in range(120):
        cluster.settle()
        if not cluster.step() and cluster.condition("Ready")["status"] == "True":
            return
        cluster.world()
        cluster.wait(5)
    raise AssertionError(f"{cluster.step()}: {cluster.condition('Ready')}")


def delete(cluster: MemoryCluster, name: str) -> None:
    cluster.kube.delete(cluster.kube.resolve("v1", "Secret"), "d8-system", name, "Background")


def snapshot(cluster: MemoryCluster) -> dict[str, dict[str, str]]:
    return {name: cluster.data(name) for name in cluster.kube.names("Secret") - {"registry-state"}}


def rebuild(cluster: MemoryCluster) -> None:
    """Lose the state, let the module notice, ask for a rebuild."""
    delete(cluster, "registry-state")
    before = snapshot(cluster)
    cluster.settle()
    assert snapshot(cluster) == before
    assert cluster.condition("Ready")["reason"] == "StateMissing"
    assert "registry.deckhouse.io/rebuild" in cluster.condition("Ready")["message"]
    cluster.annotate("rebuild", "1")
    cluster.run()


def test_at_rest_in_direct_a_rebuild_changes_nothing_but_the_nodes_token() -> None:
    cluster = build_cluster(NEW)
    before, folders, counter = snapshot(cluster), cluster.folders("worker-0"), cluster.plan().counter
    rebuild(cluster)
    cluster.settle()
    assert cluster.text("registry-state", "mode") == "Direct"
    assert cluster.step() == ""
    assert cluster.folders("worker-0") == folders
    assert cluster.plan().counter > counter
    for name in ("deckhouse-registry", "registry-bashible-config", "registry-pki", "registry-incluster-proxy-tls"):
        assert cluster.data(name) == before[name], name
    upstream = json.loads(cluster.text("registry-incluster-proxy-upstream", "upstream.json"))
    assert upstream == json.loads(before["registry-incluster-proxy-upstream"]["upstream.json"])
    cluster.report()
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"


def test_a_rotation_that_was_asked_for_before_the_loss_is_not_begun_again() -> None:
    cluster = build_cluster(NEW)
    cluster.annotate("rotate-ca", "1")
    finish(cluster)
    authority = cluster.data("registry-pki")["ca.crt"]
    rebuild(cluster)
    finish(cluster)
    assert cluster.data("registry-pki")["ca.crt"] == authority
    cluster.annotate("rotate-ca", "2")
    finish(cluster)
    assert cluster.data("registry-pki")["ca.crt"] != authority


@pytest.mark.parametrize("lost", ["registry-node-plan", "registry-incluster-proxy-upstream"])
def test_one_of_the_two_that_name_the_registry_is_enough(lost: str) -> None:
    cluster = build_cluster(NEW)
    folders = cluster.folders("worker-0")
    delete(cluster, lost)
    rebuild(cluster)
    cluster.settle()
    assert cluster.folders("worker-0") == folders
    finish(cluster)


def test_where_nothing_names_the_registry_nothing_is_changed_and_a_backup_is_asked_for() -> None:
    cluster = build_cluster(NEW)
    delete(cluster, "registry-node-plan")
    delete(cluster, "registry-incluster-proxy-upstream")
    rebuild(cluster)
    before = snapshot(cluster)
    cluster.settle()
    assert snapshot(cluster) == before
    assert "cannot be rebuilt" in cluster.condition("Ready")["message"]
    assert "backup" in cluster.condition("Ready")["message"]


@pytest.mark.parametrize("text", ["{broken", '{"schema": 99}', "[]"])
def test_an_unreadable_state_is_rebuilt_on_request(text: str) -> None:
    cluster = build_cluster(NEW)
    cluster.put_secret("registry-state", {**cluster.data("registry-state"), "state": text})
    before = snapshot(cluster)
    cluster.settle()
    assert snapshot(cluster) == before
    assert cluster.condition("Ready")["reason"] == "StateUnreadable"
    cluster.annotate("rebuild", "1")
    finish_after_report(cluster)


def finish_after_report(cluster: MemoryCluster) -> None:
    cluster.run()
    finish(cluster)
    assert cluster.text("registry-state", "mode") == "Direct"


def test_a_request_that_was_there_before_the_loss_is_none() -> None:
    cluster = build_cluster(NEW)
    cluster.annotate("rebuild", "1")
    cluster.settle()
    delete(cluster, "registry-state")
    for _ in range(3):
        cluster.settle()
    assert cluster.condition("Ready")["reason"] == "StateMissing"
    cluster.annotate("rebuild", "2")
    finish_after_report(cluster)


def test_a_second_loss_needs_a_second_request() -> None:
    cluster = build_cluster(NEW)
    rebuild(cluster)
    finish(cluster)
    delete(cluster, "registry-state")
    cluster.settle()
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "StateMissing"


def test_a_backup_that_is_restored_needs_no_request_and_leaves_no_mark_of_the_loss() -> None:
    cluster = build_cluster(NEW)
    backup = cluster.kube.find("Secret", "registry-state")
    assert backup is not None
    delete(cluster, "registry-state")
    cluster.settle()
    cluster.kube.put(backup)
    finish(cluster)
    found = cluster.kube.find("Secret", "registry-state")
    assert found is not None
    assert "registry.deckhouse.io/halted" not in found["metadata"]["annotations"]


SWITCHES = {
    "Unmanaged to Direct": (
        None,
        NEW,
        ["SwitchAddress/all", "PreferNew/all", "FinaliseNodes/evidence", "CleanUp/address"],
    ),
    "Direct to Direct": (
        direct(),
        NEW,
        [
            "AddSource/canary",
            "AddSource/all",
            "SwitchAddress/all",
            "PreferNew/all",
            "FinaliseNodes/evidence",
            "CleanUp/address",
        ],
    ),
    "Direct to Unmanaged": (NEW, UNMANAGED, ["AddSource/all", "SwitchAddress/all", "PreferNew/all"]),
}
CASES = [
    pytest.param(before, after, step, id=f"{name} at {step}")
    for name, (before, after, steps) in SWITCHES.items()
    for step in steps
]


@pytest.mark.parametrize(("before", "after", "step"), CASES)
def test_lost_in_mid_switch_no_source_goes_and_the_switch_is_led_to_its_end(
    before: dict[str, Any] | None, after: dict[str, Any], step: str
) -> None:
    cluster = build_cluster(before)
    cluster.edit(after)
    assert walk(cluster, step), step
    folders = cluster.folders("worker-0")
    delete(cluster, "registry-state")
    cluster.settle()
    cluster.annotate("rebuild", "1")
    cluster.run()
    cluster.settle()
    now = cluster.folders("worker-0")
    assert set(folders) <= set(now)
    for name in folders:
        assert hosts(folders[name]) <= hosts(now[name]), name
    for _ in range(2):  # what was rebuilt may end at the other side; then the settings lead on
        finish(cluster)
        cluster.settle()
    assert cluster.text("registry-state", "mode") == after["mode"]
    assert list(cluster.folders("worker-0")) == [FIXED] if after is NEW else ["new.example.com:5000"]


def hosts(text: str) -> set[str]:
    return {host for host in (HOST, "new.example.com:5000") if host in text}


def test_a_state_lost_after_the_way_back_to_unmanaged_keeps_the_fixed_address_for_who_still_names_it() -> None:
    """The platform pulls from the real registry already, so this needs no request."""
    cluster = build_cluster(NEW)
    cluster.edit(UNMANAGED)
    assert walk(cluster, "PreferNew/all")
    delete(cluster, "registry-state")
    cluster.settle()
    assert FIXED in cluster.folders("worker-0")
    assert cluster.values["internal"]["proxy"]["enabled"] is True
    finish(cluster)
    assert cluster.text("registry-state", "mode") == "Unmanaged"


def test_a_state_lost_when_nodes_have_let_the_fixed_address_go_does_not_bring_it_back() -> None:
    cluster = build_cluster(NEW)
    cluster.edit(UNMANAGED)
    assert walk(cluster, "FinaliseNodes/all")
    cluster.world()
    assert FIXED not in cluster.folders("worker-0")
    delete(cluster, "registry-state")
    cluster.settle()
    assert FIXED not in cluster.folders("worker-0")
    assert FIXED not in cluster.text("registry-bashible-config", "config")
    assert FIXED in cluster.data("deckhouse-registry")[".dockerconfigjson"]
    finish(cluster)
    assert cluster.text("registry-state", "mode") == "Unmanaged"
    assert FIXED not in cluster.data("deckhouse-registry")[".dockerconfigjson"]


def test_a_state_lost_in_unmanaged_keeps_the_authority_of_a_host_that_tenants_pull_from() -> None:
    cluster = MemoryCluster()
    cluster.put_secret("deckhouse-registry", {**cluster.data("deckhouse-registry"), "ca": CA})
    cluster.settle()
    cluster.report()
    cluster.settle()
    cluster.edit(NEW)
    assert walk(cluster, "FinaliseNodes/evidence")
    cluster.collect(real_host=("Deployment shop/cart",))
    cluster.settle()
    finish(cluster)
    cluster.edit(UNMANAGED)
    finish(cluster)
    before = cluster.folders("worker-0")
    assert HOST in before
    delete(cluster, "registry-state")
    cluster.settle()
    assert cluster.folders("worker-0") == before


def test_another_implementations_direct_mode_is_left_alone_and_said_in_the_log() -> None:
    """Its objects bear our names: state, platform's text, proxy; none of them carries our revision."""
    cluster = MemoryCluster()
    auth = {"auths": {FIXED: {"username": "x", "password": "y"}}}
    cluster.put_secret(
        "deckhouse-registry",
        {
            "address": FIXED,
            "path": "/system/deckhouse",
            "scheme": "https",
            "ca": "theirs",
            ".dockerconfigjson": json.dumps(auth),
        },
    )
    cluster.put_secret("registry-bashible-config", {"config": "mode: Direct\n"})
    cluster.put_secret("registry-state", {"state": "mode: Direct\n", "conditions": "[]", "mode": "Direct"})
    before = {name: cluster.kube.find("Secret", name) for name in cluster.kube.names("Secret")}
    for _ in range(2):
        outputs = cluster.run()
        assert outputs.operations == ()
        assert "another implementation" in outputs.warnings[0]
    cluster.annotate("rebuild", "1")
    assert cluster.run().operations == ()
    assert {name: cluster.kube.find("Secret", name) for name in cluster.kube.names("Secret")} == before
    assert cluster.values["internal"]["proxy"]["enabled"] is False


def test_a_foreign_text_for_nodes_is_no_ground_to_rebuild_on() -> None:
    cluster = build_cluster(NEW)
    delete(cluster, "registry-bashible-config")
    cluster.put_secret("registry-bashible-config", {"config": "mode: Direct\n"})
    rebuild(cluster)
    cluster.settle()
    assert "was not written by this module" in cluster.condition("Ready")["message"]
    assert cluster.text("registry-bashible-config", "config") == "mode: Direct\n"


def test_no_password_is_said_by_a_rebuild() -> None:
    cluster = build_cluster(NEW)
    rebuild(cluster)
    cluster.settle()
    assert PASSWORD not in cluster.text("registry-state", "conditions")
    for name in cluster.kube.names("Secret"):
        found = cluster.kube.find("Secret", name) or {"metadata": {}}
        assert PASSWORD not in json.dumps(found["metadata"])
