# SPDX-License-Identifier: Apache-2.0
"""The production code of the reconcile hook against a cluster in memory.

Factors: settings (valid, invalid, refused, unreachable, changed in mid-switch) x what the world answers (nodes, probe,
deckhouse, evidence: done, late, failing) x a crash between two writes x a restart of the operator.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from d8registry.adapters.certificates import issue_authority
from d8registry.checker.outcome import Outcome

from tests.scenarios.direct import go_on
from tests.support.memory_cluster import HOST, PASSWORD, PATH, MemoryCluster, direct

FIXED = "registry.d8-system.svc:5001"
CA = issue_authority(datetime(2026, 11, 23, tzinfo=UTC)).pem
STEPS = [
    "CheckImages/all",
    "AddSource/canary",
    "AddSource/all",
    "StartProxy/all",
    "SwitchAddress/all",
    "PreferNew/all",
    "FinaliseNodes/evidence",
    "FinaliseNodes/all",
    "CleanUp/address",
    "",
]


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    made.settle()
    made.report()
    made.settle()
    return made


def switch_until(cluster: MemoryCluster, step: str) -> None:
    """Start the switch and let the world move until `step` is the present one and has been applied."""
    go_on(cluster, direct(), until=step)


def move(cluster: MemoryCluster) -> None:
    """Let the module, and then the world, take one step."""
    cluster.settle()
    cluster.world()
    cluster.settle()


def test_a_fresh_cluster_is_ready_in_unmanaged_and_nothing_of_the_platform_is_touched() -> None:
    cluster = MemoryCluster()
    before = cluster.data("deckhouse-registry")
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"
    assert cluster.data("deckhouse-registry") == before
    assert cluster.data("registry-bashible-config") == {}
    assert cluster.folders("master-0") == {}
    assert cluster.plan().interval_seconds == 20


def test_the_steps_come_in_the_documented_order_and_end_in_direct(cluster: MemoryCluster) -> None:
    cluster.edit(direct())
    seen: list[str] = []
    for _ in range(60):
        cluster.settle()
        if not seen or seen[-1] != cluster.step():
            seen.append(cluster.step())
        if not cluster.step():
            break
        cluster.world()
        cluster.wait(5)
    # PrepareNodes has nothing to wait for here: every containerd already runs with config_path.
    assert [step for step in seen if step != "PrepareNodes/all"] == STEPS
    assert cluster.text("registry-state", "mode") == "Direct"
    assert cluster.condition("Ready")["status"] == "True"
    kinds = ["RegistryContainsRequiredImages", "ContainerdConfigPreflightReady", "TransitionContainerdConfigReady"]
    kinds += ["InClusterProxyReady", "DeckhouseRegistrySwitchReady", "FinalContainerdConfigReady"]
    assert [cluster.condition(kind)["status"] for kind in [*kinds, "CleanupInClusterProxy"]] == ["True"] * 7


def test_at_the_end_only_the_new_source_and_its_credentials_are_left(cluster: MemoryCluster) -> None:
    switch_until(cluster, "")
    switch_until(cluster, "")
    assert list(cluster.folders("worker-0")) == [FIXED]
    assert list(yaml.safe_load(cluster.text("registry-bashible-config", "config"))["hosts"]) == [FIXED]
    auths = json.loads(cluster.text("deckhouse-registry", ".dockerconfigjson"))["auths"]
    assert list(auths) == [FIXED]
    assert auths[FIXED]["password"] == PASSWORD
    assert cluster.data("deckhouse-registry")["ca"] == cluster.text("registry-pki", "ca.crt")


def test_a_second_run_writes_nothing_at_every_step(cluster: MemoryCluster) -> None:
    cluster.edit(direct())
    for _ in range(60):
        cluster.settle()
        assert not cluster.run().operations
        if not cluster.step():
            return
        cluster.world()
        cluster.wait(5)
    raise AssertionError("the switch did not end")


def test_one_master_proves_first_and_the_others_keep_what_they_have(cluster: MemoryCluster) -> None:
    switch_until(cluster, "AddSource/canary")
    assert FIXED in cluster.folders("master-0")
    assert cluster.folders("worker-0") == {HOST: cluster.folders("worker-0")[HOST]}
    cluster.report(["worker-0", "worker-1"])
    cluster.settle()
    assert cluster.step() == "AddSource/canary"


def test_the_address_is_not_switched_before_every_node_has_its_witness(cluster: MemoryCluster) -> None:
    switch_until(cluster, "AddSource/all")
    before = cluster.data("deckhouse-registry")
    cluster.report(["master-0", "worker-0"])
    for _ in range(5):
        cluster.settle()
        cluster.answer()
        cluster.wait(60)
    assert cluster.step() == "AddSource/all"
    assert "worker-1" in cluster.condition("TransitionContainerdConfigReady")["message"]
    assert cluster.data("deckhouse-registry") == before


def test_a_witness_to_an_older_token_is_no_witness(cluster: MemoryCluster) -> None:
    switch_until(cluster, "AddSource/canary")
    cluster.report()
    cluster.settle()
    assert cluster.step() == "AddSource/all"
    cluster.settle()
    assert cluster.step() == "AddSource/all"


def test_a_failing_node_is_named_with_its_class(cluster: MemoryCluster) -> None:
    switch_until(cluster, "AddSource/all")
    cluster.report(["master-0", "worker-0"])
    cluster.report(["worker-1"], result="failing", **{"class": "tls", "message": "unknown authority"})
    cluster.settle()
    condition = cluster.condition("TransitionContainerdConfigReady")
    assert condition["reason"] == "NodesFailing"
    assert "worker-1 (tls: unknown authority)" in condition["message"]


def test_during_the_switch_the_pull_secret_holds_both_bases(cluster: MemoryCluster) -> None:
    switch_until(cluster, "SwitchAddress/all")
    auths = json.loads(cluster.text("deckhouse-registry", ".dockerconfigjson"))["auths"]
    assert list(auths) == [FIXED, HOST]
    assert cluster.data("deckhouse-registry")["path"] == "/system/deckhouse"


def test_the_platforms_text_names_both_before_the_address_is_touched(cluster: MemoryCluster) -> None:
    switch_until(cluster, "AddSource/all")
    assert list(yaml.safe_load(cluster.text("registry-bashible-config", "config"))["hosts"]) == [HOST]
    switch_until(cluster, "StartProxy/all")
    config = yaml.safe_load(cluster.text("registry-bashible-config", "config"))
    assert sorted(config["hosts"]) == sorted([FIXED, HOST])
    assert config["mode"] == "Direct"
    assert cluster.data("deckhouse-registry")["address"] == HOST


def test_the_old_source_stays_while_the_platform_still_names_it(cluster: MemoryCluster) -> None:
    switch_until(cluster, "FinaliseNodes/evidence")
    cluster.collect(platform=("CronJob d8-monitoring/report",))
    for _ in range(3):
        cluster.settle()
        cluster.wait(3600)
    assert cluster.step() == "FinaliseNodes/evidence"
    assert HOST in cluster.folders("worker-0")
    assert "CronJob d8-monitoring/report" in cluster.condition("FinalContainerdConfigReady")["message"]
    assert "do not revoke the old credentials yet" in cluster.condition("Ready")["message"]


def test_users_workloads_hold_for_their_grace_and_until_they_are_accepted(cluster: MemoryCluster) -> None:
    switch_until(cluster, "FinaliseNodes/evidence")
    cluster.collect(users=("Deployment shop/cart",))
    cluster.settle()
    assert cluster.step() == "FinaliseNodes/evidence"
    cluster.annotate("finalise", "1")
    cluster.settle()
    assert cluster.step() == "FinaliseNodes/evidence"
    message = cluster.condition("FinalContainerdConfigReady")["message"]
    assert "Deployment shop/cart" in message
    assert "is accepted: the old source goes at" in message
    cluster.wait(601)
    cluster.settle()
    assert cluster.step() == "FinaliseNodes/all"


def test_users_workloads_hold_past_their_grace_until_they_are_accepted(cluster: MemoryCluster) -> None:
    switch_until(cluster, "FinaliseNodes/evidence")
    cluster.collect(users=("Deployment shop/cart",))
    cluster.settle()
    cluster.wait(601)
    cluster.settle()
    assert cluster.step() == "FinaliseNodes/evidence"
    cluster.annotate("finalise", "1")
    cluster.settle()
    assert cluster.step() == "FinaliseNodes/all"


def test_the_soak_keeps_the_old_source_for_its_time(cluster: MemoryCluster) -> None:
    switch_until(cluster, "StartProxy/all")
    in_place = cluster.now
    switch_until(cluster, "PreferNew/all")
    cluster.run()
    assert cluster.condition("FinalContainerdConfigReady")["reason"] == "Soaking"
    cluster.now = in_place + timedelta(seconds=59)
    cluster.settle()
    assert cluster.step() == "PreferNew/all"
    cluster.wait(2)
    cluster.settle()
    assert cluster.step() == "FinaliseNodes/evidence"


def test_what_ends_by_itself_is_not_late(cluster: MemoryCluster) -> None:
    cluster.values |= {"stepDeadline": "20s", "soak": "2m", "usersGrace": "5m"}
    switch_until(cluster, "PreferNew/all")
    cluster.run()
    cluster.wait(60)
    cluster.settle()
    assert cluster.condition("FinalContainerdConfigReady")["reason"] == "Soaking"
    assert cluster.condition("Ready")["reason"] == "Switching"
    assert "without progress until" not in cluster.condition("Ready")["message"]
    switch_until(cluster, "FinaliseNodes/evidence")
    cluster.collect(users=("Deployment shop/cart",))
    cluster.annotate("finalise", "1")
    cluster.settle()
    cluster.wait(60)
    cluster.settle()
    assert cluster.condition("FinalContainerdConfigReady")["reason"] == "OldAddressInUseByUsers"
    assert cluster.condition("Ready")["reason"] == "Switching"


INVALID = [
    (direct(imagesRepo="registry.example.com"), "direct.imagesRepo"),
    (direct(password=None), "direct.password"),
    (direct(license="k3y"), "direct.license"),
    (direct(ca="not a certificate"), "direct.ca"),
    ({"mode": "Direct"}, "direct"),
    ({"mode": "Sideways"}, "mode"),
    ({**direct(), "unmanaged": {"imagesRepo": "a.b/c"}}, "unmanaged"),
]


@pytest.mark.parametrize(("section", "field"), INVALID, ids=[field for _, field in INVALID])
def test_invalid_settings_leave_the_cluster_as_it_is_and_name_field_and_rule(
    cluster: MemoryCluster, section: dict[str, object], field: str
) -> None:
    names = cluster.kube.names("Secret")
    kept = {name: cluster.data(name) for name in names - {"registry-state"}}
    cluster.edit(section)
    cluster.settle()
    ready = cluster.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSettings")
    assert f"{field}: " in ready["message"]
    assert PASSWORD not in cluster.text("registry-state", "conditions")
    assert {name: cluster.data(name) for name in cluster.kube.names("Secret") - {"registry-state"}} == kept


@pytest.mark.parametrize("mode", ["Proxy", "Local"])
def test_modes_of_later_releases_are_refused_by_name(cluster: MemoryCluster, mode: str) -> None:
    cluster.edit({"mode": mode, **({"proxy": {"imagesRepo": "a.b/c"}} if mode == "Proxy" else {})})
    cluster.settle()
    condition = cluster.condition("ErrTransitionNotSupported")
    assert condition["status"] == "True"
    assert "not in this release" in condition["message"]
    assert cluster.step() == ""


def test_a_registry_that_refuses_the_password_stops_the_switch_before_anything_is_touched(
    cluster: MemoryCluster,
) -> None:
    before = {name: cluster.data(name) for name in ("deckhouse-registry", "registry-bashible-config")}
    tokens = [cluster.plan().build_token(cluster.plan().default)]
    cluster.edit(direct(password="wrong"))
    cluster.settle()
    cluster.answer(outcome=Outcome.UNAUTHENTICATED, final=True)
    cluster.settle()
    condition = cluster.condition("RegistryContainsRequiredImages")
    assert condition["status"] == "False"
    assert "unauthenticated" in condition["message"]
    assert "wrong" not in cluster.text("registry-state", "conditions").replace("wrong password", "")
    assert {name: cluster.data(name) for name in before} == before
    assert [cluster.plan().build_token(cluster.plan().default)] == tokens


def test_past_the_deadline_a_switch_that_cannot_start_is_given_up_and_retry_starts_it_anew(
    cluster: MemoryCluster,
) -> None:
    cluster.edit(direct())
    cluster.settle()
    cluster.answer(outcome=Outcome.REFUSED)
    cluster.settle()
    cluster.wait(1801)
    cluster.settle()
    assert cluster.step() == ""
    assert "given up at step CheckImages" in cluster.condition("Ready")["message"]
    cluster.annotate("retry", "1")
    cluster.settle()
    assert cluster.step() == "CheckImages/all"


def test_past_the_deadline_nodes_go_back_to_the_source_they_had(cluster: MemoryCluster) -> None:
    switch_until(cluster, "StartProxy/all")
    cluster.wait(1801)
    cluster.settle()
    assert "rolling back" in cluster.condition("Ready")["message"]
    move(cluster)
    assert cluster.step() == ""
    assert list(cluster.folders("worker-0")) == [HOST]
    assert list(yaml.safe_load(cluster.text("registry-bashible-config", "config"))["hosts"]) == [HOST]
    assert cluster.data("deckhouse-registry")["address"] == HOST
    assert "registry-incluster-proxy" not in cluster.kube.names("Deployment")
    assert cluster.values["internal"]["proxy"]["enabled"] is False


def test_settings_set_back_before_the_point_of_no_return_undo_the_switch(cluster: MemoryCluster) -> None:
    switch_until(cluster, "AddSource/all")
    cluster.edit({"mode": "Unmanaged"})
    move(cluster)
    assert cluster.step() == ""
    assert list(cluster.folders("worker-0")) == [HOST]
    assert cluster.condition("Ready")["status"] == "True"


def test_after_an_undone_switch_nodes_follow_what_the_platform_pulls_from(cluster: MemoryCluster) -> None:
    switch_until(cluster, "AddSource/all")
    cluster.edit({"mode": "Unmanaged"})
    move(cluster)
    cluster.put_secret("deckhouse-registry", {**cluster.data("deckhouse-registry"), "address": "other.example.com"})
    cluster.settle()
    assert list(cluster.folders("worker-0")) == ["other.example.com"]
    assert list(yaml.safe_load(cluster.text("registry-bashible-config", "config"))["hosts"]) == ["other.example.com"]


def test_custom_registry_settings_on_a_node_are_a_guard_that_names_it(cluster: MemoryCluster) -> None:
    cluster.report(["worker-1"], customConfig=True)
    cluster.edit(direct())
    cluster.settle()
    cluster.answer()
    cluster.settle()
    condition = cluster.condition("ContainerdConfigPreflightReady")
    assert condition["reason"] == "CustomRegistrySettings"
    assert "worker-1" in condition["message"]
    assert cluster.data("registry-bashible-config") == {}


@pytest.mark.parametrize("step", STEPS[:-1])
def test_a_crash_between_any_two_writes_of_a_step_is_repaired_by_the_next_run(
    cluster: MemoryCluster, step: str
) -> None:
    """Of the operations of each run on the way, only the first is done; then the hook runs again."""
    switch_until(cluster, step)
    cluster.operations_done = 1
    for _ in range(80):
        cluster.settle(limit=60)
        if not cluster.step():
            break
        cluster.world()
        cluster.wait(5)
    assert cluster.text("registry-state", "mode") == "Direct"
    assert list(cluster.folders("worker-0")) == [FIXED]


def test_a_restarted_operator_restores_the_values_from_the_cluster(cluster: MemoryCluster) -> None:
    switch_until(cluster, "")
    switch_until(cluster, "")
    cluster.values = {"internal": {"proxy": {"enabled": False, "replicas": 0}}}
    cluster.run()
    assert cluster.values["internal"]["proxy"] == {"enabled": True, "replicas": 1}


@pytest.mark.parametrize("text", [None, "schema: 99\n", "{broken"])
def test_a_lost_or_unreadable_state_in_direct_changes_nothing_and_says_how_to_recover(
    cluster: MemoryCluster, text: str | None
) -> None:
    switch_until(cluster, "")
    switch_until(cluster, "")
    data = cluster.data("registry-state")
    del data["state"]
    cluster.put_secret("registry-state", data if text is None else {**data, "state": text})
    kept = {name: cluster.data(name) for name in cluster.kube.names("Secret") - {"registry-state"}}
    cluster.values = {"internal": {"proxy": {"enabled": False, "replicas": 0}}}
    cluster.settle()
    assert {name: cluster.data(name) for name in kept} == kept
    assert cluster.values["internal"]["proxy"] == {"enabled": True, "replicas": 1}
    ready = cluster.condition("Ready")
    assert ready["status"] == "False"
    assert "newer release" in ready["message"] or "backup" in ready["message"]


def test_a_state_lost_in_unmanaged_is_made_anew_above_the_revisions_of_what_it_left(cluster: MemoryCluster) -> None:
    switch_until(cluster, "AddSource/all")
    cluster.edit({"mode": "Unmanaged"})
    cluster.settle()
    cluster.kube.delete(cluster.kube.resolve("v1", "Secret"), "d8-system", "registry-state", "Background")
    cluster.kube.delete(cluster.kube.resolve("v1", "Secret"), "d8-system", "registry-checks", "Background")
    cluster.settle()
    assert list(cluster.folders("worker-0")) == [HOST]  # nodes still pull by the folder that the lost switch left them
    for _ in range(2):
        switch_until(cluster, "")
    assert cluster.text("registry-state", "mode") == "Direct"


def test_a_lost_race_for_the_state_writes_nothing(cluster: MemoryCluster) -> None:
    cluster.edit(direct())
    late = cluster.read()
    cluster.settle()
    revision = cluster.kube.find("Secret", "registry-state")
    from d8registry.adapters.reconcile import reconcile

    cluster.apply(reconcile(late))
    assert cluster.kube.find("Secret", "registry-state") == revision


def test_the_clock_alone_wakes_nothing_while_nothing_is_switched(cluster: MemoryCluster) -> None:
    assert cluster.run(bindings=["tick"]).operations == ()
    cluster.edit(direct())
    cluster.settle()
    cluster.answer()
    assert cluster.run(bindings=["tick"]).operations


def test_no_password_is_in_conditions_values_or_annotations(cluster: MemoryCluster) -> None:
    cluster.edit(direct())
    for _ in range(60):
        cluster.settle()
        assert PASSWORD not in cluster.text("registry-state", "conditions")
        assert PASSWORD not in json.dumps(cluster.values)
        for name in cluster.kube.names("Secret"):
            found = cluster.kube.find("Secret", name) or {"metadata": {}}
            assert PASSWORD not in json.dumps(found["metadata"])
        if not cluster.step():
            return
        cluster.world()
        cluster.wait(5)
    raise AssertionError(f"{PATH} was not reached")


# What a fresh pair of eyes found


def test_a_tenants_secret_of_the_same_name_cannot_stop_a_switch(cluster: MemoryCluster) -> None:
    cluster.put_secret("deckhouse-registry", {".dockerconfigjson": "x"}, namespace="shop")
    found = cluster.kube.find("Secret", "deckhouse-registry", "shop")
    assert found is not None
    found["data"][".dockerconfigjson"] = "//79"  # bytes that are no text
    cluster.kube.put(found)
    switch_until(cluster, "StartProxy/all")


def test_an_unreadable_copy_of_the_platform_is_one_that_has_not_followed(cluster: MemoryCluster) -> None:
    switch_until(cluster, "SwitchAddress/all")
    cluster.take_over()
    found = cluster.kube.find("Secret", "deckhouse-registry", "d8-monitoring")
    assert found is not None
    found["data"][".dockerconfigjson"] = "//79"
    cluster.kube.put(found)
    cluster.settle()
    condition = cluster.condition("DeckhouseRegistrySwitchReady")
    assert condition["reason"] == "WaitingForCopies"
    assert "d8-monitoring" in condition["message"]


def test_a_copy_that_is_only_slow_is_waited_for_although_what_stays_behind_was_accepted(cluster: MemoryCluster) -> None:
    switch_until(cluster, "SwitchAddress/all")
    cluster.take_over()
    found = cluster.kube.find("Secret", "deckhouse-registry", "d8-monitoring")
    assert found is not None
    cluster.kube.put({**found, "data": {**found["data"], ".dockerconfigjson": "//79"}})
    cluster.annotate("finalise", "1")
    cluster.settle()
    assert cluster.step() == "SwitchAddress/all"
    message = cluster.condition("DeckhouseRegistrySwitchReady")["message"]
    assert "UTC they stay behind, as accepted" in message
    cluster.wait(601)
    cluster.settle()
    assert cluster.step() != "SwitchAddress/all"


def test_a_node_that_joins_before_the_address_is_switched_holds_it(cluster: MemoryCluster) -> None:
    switch_until(cluster, "StartProxy/all")
    cluster.join("worker-9")
    cluster.answer()
    cluster.settle()
    assert cluster.step() == "StartProxy/all"
    assert "worker-9" in cluster.condition("InClusterProxyReady")["message"]
    cluster.report(["worker-9"])
    cluster.settle()
    assert cluster.step() == "SwitchAddress/all"


def test_a_failed_pod_of_the_proxy_that_was_replaced_does_not_count(cluster: MemoryCluster) -> None:
    switch_until(cluster, "StartProxy/all")
    cluster.leave_failed_proxy_pod()
    cluster.settle()
    cluster.answer()
    cluster.settle()
    assert cluster.step() == "SwitchAddress/all"


def test_a_master_that_is_away_needs_no_proxy_pod(cluster: MemoryCluster) -> None:
    cluster.join("master-1", "master", away=True)
    switch_until(cluster, "SwitchAddress/all")
    assert cluster.values["internal"]["proxy"]["replicas"] == 1
    cluster.wait(48 * 3600)  # the certificate is looked at anew, and the values of that run are restored ones
    cluster.run()
    assert cluster.values["internal"]["proxy"]["replicas"] == 1


def test_an_operator_restarted_on_another_day_restores_the_values_in_its_first_run(cluster: MemoryCluster) -> None:
    switch_until(cluster, "")
    switch_until(cluster, "")
    cluster.values = {"internal": {"proxy": {"enabled": False, "replicas": 0}}}
    cluster.wait(48 * 3600)
    cluster.run()
    assert cluster.values["internal"]["proxy"] == {"enabled": True, "replicas": 1}


def test_a_switch_undone_before_nodes_were_touched_still_follows_the_platform(cluster: MemoryCluster) -> None:
    cluster.report(configPath=False)
    switch_until_prepared(cluster)
    cluster.edit({"mode": "Unmanaged"})
    cluster.settle()
    cluster.put_secret("deckhouse-registry", {**cluster.data("deckhouse-registry"), "address": "other.example.com"})
    cluster.settle()
    assert list(yaml.safe_load(cluster.text("registry-bashible-config", "config"))["hosts"]) == ["other.example.com"]


def switch_until_prepared(cluster: MemoryCluster) -> None:
    cluster.edit(direct())
    cluster.settle()
    cluster.answer()
    cluster.settle()
    assert cluster.step() == "PrepareNodes/all"


def test_a_state_restored_from_a_backup_goes_on_above_what_is_there(cluster: MemoryCluster) -> None:
    backup = cluster.kube.find("Secret", "registry-state")
    assert backup is not None
    switch_until(cluster, "AddSource/all")
    cluster.edit({"mode": "Unmanaged"})
    cluster.settle()
    counter = cluster.plan().counter
    cluster.kube.put(backup)
    cluster.settle()
    assert cluster.plan().counter > counter
    for _ in range(2):
        switch_until(cluster, "")
    assert cluster.text("registry-state", "mode") == "Direct"


def test_retry_reaches_the_nodes_too(cluster: MemoryCluster) -> None:
    switch_until(cluster, "AddSource/all")
    before = cluster.plan().counter
    cluster.report(result="failing", **{"class": "auth", "message": "401"})
    cluster.settle()
    cluster.annotate("retry", "1")
    cluster.settle()
    assert cluster.plan().counter > before


def test_the_platforms_version_cannot_be_used_to_try_out_passwords(cluster: MemoryCluster) -> None:
    """Two clusters with the same registry and password show different versions on their nodes."""
    other = MemoryCluster()
    other.settle()
    other.report()
    versions = []
    for each in (cluster, other):
        switch_until(each, "AddSource/all")
        versions.append(yaml.safe_load(each.text("registry-bashible-config", "config"))["version"])
    assert versions[0] != versions[1]


def test_the_platform_may_move_while_a_switch_has_not_touched_it(cluster: MemoryCluster) -> None:
    cluster.edit(direct())
    cluster.settle()
    cluster.put_secret("deckhouse-registry", {**cluster.data("deckhouse-registry"), "address": "other.example.com"})
    for _ in range(40):
        cluster.settle()
        if cluster.step() == "AddSource/all":
            break
        cluster.world()
        cluster.wait(5)
    assert sorted(cluster.folders("worker-0")) == sorted(["other.example.com", FIXED])


def test_unmanaged_with_the_registry_in_use_spelled_out_is_no_difference(cluster: MemoryCluster) -> None:
    cluster.put_secret("deckhouse-registry", {**cluster.data("deckhouse-registry"), "ca": CA.strip()})
    cluster.edit({"mode": "Unmanaged", "unmanaged": {**direct(ca=CA)["direct"]}})
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"


def test_a_proxy_left_behind_by_a_late_helm_run_is_removed_too(cluster: MemoryCluster) -> None:
    switch_until(cluster, "StartProxy/all")
    cluster.edit({"mode": "Unmanaged"})
    cluster.settle()
    cluster.leave_proxy_deployment()
    cluster.settle()
    assert "registry-incluster-proxy" not in cluster.kube.names("Deployment")


def test_a_job_that_cannot_pull_from_a_dead_old_registry_does_not_hold_the_switch_for_ever(
    cluster: MemoryCluster,
) -> None:
    job = "Job d8-monitoring/report-1"
    go_on(cluster, direct(imagesRepo="registry-b.example.com/deckhouse/ee"), until="FinaliseNodes/evidence")
    cluster.collect(platform=(job,))
    cluster.settle()
    assert cluster.condition("FinalContainerdConfigReady")["reason"] == "OldAddressInUse"
    cluster.dead = {HOST: False}
    for _ in range(3):
        cluster.wait(40)
        cluster.answer()
        cluster.settle()
    assert cluster.step() == "FinaliseNodes/all"
    go_on(cluster)
    assert cluster.text("registry-state", "revoke").startswith("yes")


def test_a_template_of_the_platform_holds_the_switch_though_the_old_registry_is_dead(cluster: MemoryCluster) -> None:
    go_on(cluster, direct(imagesRepo="registry-b.example.com/deckhouse/ee"), until="FinaliseNodes/evidence")
    cluster.collect(platform=("CronJob d8-monitoring/report",))
    cluster.dead = {HOST: False}
    for _ in range(3):
        cluster.wait(40)
        cluster.answer()
        cluster.settle()
    assert cluster.step() == "FinaliseNodes/evidence"
