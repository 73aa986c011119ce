# SPDX-License-Identifier: Apache-2.0
"""From Direct back to Unmanaged: the registry in use, at its real address.

Factors: with parameters, without, with other ones x a restart of the operator x what still names the fixed address.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scenarios.direct import FIXED, OTHER, go_on, logins, make_direct, sources
from tests.support.memory_cluster import HOST, PASSWORD, PATH, direct

PARAMETERS = {"mode": "Unmanaged", "unmanaged": direct()["direct"]}


@pytest.mark.parametrize("section", [{"mode": "Unmanaged"}, PARAMETERS, None], ids=["without", "with", "no section"])
def test_it_ends_with_the_real_address_and_nothing_of_the_fixed_one(section: dict[str, Any] | None) -> None:
    cluster = make_direct()
    cluster.edit(section)
    steps = go_on(cluster)
    assert steps == [
        "CheckImages/all",
        "AddSource/canary",
        "AddSource/all",
        "SwitchAddress/all",
        "PreferNew/all",
        "FinaliseNodes/evidence",
        "FinaliseNodes/all",
        "CleanUp/address",
        "CleanUp/all",
        "",
    ]
    data = cluster.data("deckhouse-registry")
    assert (data["address"], data["path"], data["scheme"], data["ca"]) == (HOST, PATH, "https", "")
    assert logins(cluster) == [(HOST, PASSWORD)]
    assert list(cluster.folders("worker-0")) == [HOST]
    config = json.loads(cluster.text("registry-bashible-config", "config"))
    assert (config["mode"], config["imagesBase"], list(config["hosts"])) == ("Unmanaged", f"{HOST}{PATH}", [HOST])
    assert cluster.values["internal"]["proxy"]["enabled"] is False
    assert "registry-incluster-proxy" not in cluster.kube.names("Deployment")
    assert cluster.condition("Ready")["status"] == "True"


def test_both_addresses_work_while_something_may_name_either() -> None:
    cluster = make_direct()
    go_on(cluster, {"mode": "Unmanaged"}, until="SwitchAddress/all")
    assert logins(cluster) == [(HOST, PASSWORD), (FIXED, PASSWORD)]
    assert sorted(cluster.folders("worker-0")) == sorted([HOST, FIXED])
    assert sources(cluster, folder=HOST) == [f"u@https://{HOST}"]
    config = json.loads(cluster.text("registry-bashible-config", "config"))
    assert (config["mode"], sorted(config["hosts"])) == ("Direct", sorted([HOST, FIXED]))
    assert cluster.values["internal"]["proxy"]["enabled"] is True


def test_the_fixed_address_stays_while_the_platform_still_names_it() -> None:
    cluster = make_direct()
    go_on(cluster, {"mode": "Unmanaged"}, until="FinaliseNodes/evidence")
    question = json.loads(cluster.text("registry-questions", "evidence"))
    assert (question["oldBase"], question["realHost"]) == (f"{FIXED}/system/deckhouse", FIXED)
    cluster.collect(platform=("CronJob d8-monitoring/report",))
    cluster.settle()
    assert cluster.step() == "FinaliseNodes/evidence"
    assert "CronJob d8-monitoring/report" in cluster.text("registry-state", "revoke")
    assert FIXED in cluster.folders("worker-0")


def test_other_parameters_than_those_in_use_are_refused_by_name() -> None:
    cluster = make_direct()
    other = direct(imagesRepo=f"{OTHER}/x")["direct"]
    cluster.edit({"mode": "Unmanaged", "unmanaged": other})
    cluster.settle()
    condition = cluster.condition("ErrTransitionNotSupported")
    assert condition["reason"] == "UnmanagedParametersDiffer"
    assert HOST in condition["message"]
    assert cluster.step() == ""


def test_it_returns_to_the_registry_that_direct_was_led_to_after_a_restart_too() -> None:
    cluster = make_direct()
    go_on(cluster, direct(imagesRepo=f"{OTHER}/mirror"))
    cluster.values = {"internal": {"proxy": {"enabled": False, "replicas": 0}}}
    go_on(cluster, {"mode": "Unmanaged"})
    assert cluster.data("deckhouse-registry")["address"] == OTHER
    assert list(cluster.folders("worker-0")) == [OTHER]


def test_there_and_back_again_any_number_of_times() -> None:
    cluster = make_direct()
    for _ in range(2):
        go_on(cluster, {"mode": "Unmanaged"})
        assert cluster.text("registry-state", "mode") == "Unmanaged"
        go_on(cluster, direct())
        assert cluster.text("registry-state", "mode") == "Direct"
