# SPDX-License-Identifier: Apache-2.0
"""From one registry to another in Direct.

Factors: what changes (host, port, path, scheme, CA, user, password, licence, anonymous, check mode, edition) x whether
the old registry answers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from d8registry.adapters.certificates import issue_authority

from tests.scenarios.direct import FIXED, FIXED_KEY, OTHER, go_on, logins, make_direct, sources, text_sources, users
from tests.scenarios.direct import upstream as read_upstream
from tests.support.memory_cluster import HOST, PASSWORD, PATH, MemoryCluster, direct

CA = issue_authority(datetime(2026, 11, 23, tzinfo=UTC)).pem
SAME_LOGIN = [
    pytest.param({"imagesRepo": f"{OTHER}/deckhouse/ee"}, id="host"),
    pytest.param({"imagesRepo": f"{HOST}:5000{PATH}"}, id="port"),
    pytest.param({"imagesRepo": f"{HOST}/mirror/d8"}, id="path"),
    pytest.param({"scheme": "HTTP"}, id="scheme"),
    pytest.param({"ca": CA}, id="ca"),
]
OTHER_LOGIN = [
    pytest.param({"username": "v"}, id="user"),
    pytest.param({"password": "new-pass"}, id="password"),
    pytest.param({"username": None, "password": None, "license": "k3y"}, id="licence"),
    pytest.param({"username": None, "password": None}, id="anonymous"),
    pytest.param({"imagesRepo": f"{OTHER}/mirror", "password": "new-pass", "ca": CA}, id="everything"),
]


@pytest.mark.parametrize("change", SAME_LOGIN)
def test_another_registry_with_the_same_login_leaves_the_platforms_secret_alone(change: dict[str, Any]) -> None:
    cluster = make_direct()
    before = cluster.kube.find("Secret", "deckhouse-registry")
    steps = go_on(cluster, direct(**change))
    assert cluster.kube.find("Secret", "deckhouse-registry") == before
    assert [step for step in steps if step.startswith(("SwitchAddress", "CleanUp/address"))] == []
    assert steps[-5:] == ["PreferNew/canary", "PreferNew/all", "FinaliseNodes/evidence", "FinaliseNodes/all", ""]
    assert len(sources(cluster)) == 1
    assert cluster.condition("Ready")["status"] == "True"


@pytest.mark.parametrize("change", OTHER_LOGIN)
def test_another_login_stands_beside_the_old_one_until_the_old_source_is_gone(change: dict[str, Any]) -> None:
    cluster = make_direct()
    go_on(cluster, direct(**change), until="SwitchAddress/all")
    new = {"k3y", "new-pass", PASSWORD, ""} if change.get("password", PASSWORD) else {"k3y", ""}
    assert [key for key, _ in logins(cluster)] == [FIXED_KEY, FIXED]
    assert logins(cluster)[0][1] in new
    assert logins(cluster)[1] == (FIXED, PASSWORD)
    assert PASSWORD in users(cluster)
    go_on(cluster, until="CleanUp/address")
    assert [key for key, _ in logins(cluster)] == [FIXED]
    assert PASSWORD in users(cluster)  # copies of the pull secret still hold it
    go_on(cluster)
    assert len(sources(cluster)) == 1


def test_the_order_of_sources_turns_once_and_the_old_one_goes_last() -> None:
    cluster = make_direct()
    old, new = f"u@https://{HOST}", f"u@https://{OTHER}"
    go_on(cluster, direct(imagesRepo=f"{OTHER}/deckhouse/ee"), until="AddSource/canary")
    assert (sources(cluster, "master-0"), sources(cluster)) == ([old, new], [old])
    assert text_sources(cluster) == [old]
    go_on(cluster, until="AddSource/all")
    assert (sources(cluster), text_sources(cluster)) == ([old, new], [old])
    assert read_upstream(cluster) == f"u:{PASSWORD}@{HOST}{PATH}"
    go_on(cluster, until="PreferNew/canary")
    assert (sources(cluster, "worker-0"), sources(cluster, "worker-1")) == ([new, old], [old, new])
    assert sources(cluster, "master-0") == [new, old]
    assert text_sources(cluster) == [old, new]
    go_on(cluster, until="PreferNew/all")
    assert (sources(cluster), text_sources(cluster)) == ([new, old], [new, old])
    assert read_upstream(cluster) == f"u:{PASSWORD}@{OTHER}{PATH}"
    go_on(cluster, until="FinaliseNodes/all")
    assert (sources(cluster), text_sources(cluster)) == ([new], [new])


def test_twins_on_one_host_stand_beside_each_other_on_nodes_and_alone_in_the_platforms_text() -> None:
    cluster = make_direct()
    go_on(cluster, direct(username="v", password="new-pass"), until="StartProxy/all")
    assert sources(cluster) == [f"u@https://{HOST}", f"v@https://{HOST}"]
    assert text_sources(cluster) == [f"v@https://{HOST}"]
    go_on(cluster, until="PreferNew/all")
    assert sources(cluster) == [f"v@https://{HOST}", f"u@https://{HOST}"]


def test_when_only_the_login_changes_the_proxy_takes_it_at_once() -> None:
    cluster = make_direct()
    go_on(cluster, direct(password="new-pass"), until="StartProxy/all")
    assert read_upstream(cluster) == f"u:new-pass@{HOST}{PATH}"
    assert sorted(users(cluster)) == sorted([PASSWORD, "new-pass"])


def test_the_old_user_leaves_the_proxy_only_after_every_copy_has_followed() -> None:
    cluster = make_direct()
    go_on(cluster, direct(password="new-pass"), until="CleanUp/address")
    cluster.take_over()
    cluster.settle()
    assert cluster.step() == "CleanUp/address"
    assert sorted(users(cluster)) == sorted([PASSWORD, "new-pass"])
    cluster.follow_copies()
    cluster.settle()
    assert users(cluster) == ["new-pass"]
    go_on(cluster)


def test_a_change_of_the_check_mode_alone_touches_no_node() -> None:
    cluster = make_direct()
    token = cluster.plan().build_token(cluster.plan().default)
    steps = go_on(cluster, direct(checkMode="Relax"))
    assert steps == ["CheckImages/all", ""]
    assert cluster.plan().build_token(cluster.plan().default) == token


def test_the_same_settings_saved_again_are_nothing() -> None:
    cluster = make_direct()
    cluster.edit(direct(imagesRepo=f" {HOST}{PATH}/ "))
    before = cluster.kube.find("Secret", "registry-state")
    cluster.settle()
    assert cluster.kube.find("Secret", "registry-state") == before


def test_another_edition_restarts_deckhouse_once_after_the_new_source_is_in_front() -> None:
    cluster = make_direct()
    go_on(cluster, direct(imagesRepo=f"{OTHER}/deckhouse/fe", checkMode="Relax"), until="PreferNew/all")
    assert "deckhouse-0" in cluster.kube.names("Pod")
    cluster.world()
    cluster.settle()
    cluster.wait(90)
    cluster.settle()
    assert cluster.step() == "PreferNew/restart"
    assert "deckhouse-0" not in cluster.kube.names("Pod")
    cluster.take_over(name="deckhouse-1")
    cluster.settle()
    assert cluster.step() == "FinaliseNodes/evidence"
    go_on(cluster)
    assert "deckhouse-1" in cluster.kube.names("Pod")


@pytest.mark.parametrize("is_refused", [False, True], ids=["silent", "refused"])
def test_a_dead_old_registry_is_never_needed(is_refused: bool) -> None:
    cluster = make_direct()
    cluster.dead = {HOST: is_refused}
    new = f"u@https://{OTHER}"
    go_on(cluster, direct(imagesRepo=f"{OTHER}/deckhouse/ee"), until="AddSource/all")
    assert sources(cluster) == [new, f"u@https://{HOST}"]
    go_on(cluster, until="StartProxy/all")
    assert read_upstream(cluster) == f"u:{PASSWORD}@{OTHER}{PATH}"
    go_on(cluster)
    assert sources(cluster) == [new]


def test_an_old_registry_that_dies_on_the_way_goes_behind_the_new_one() -> None:
    cluster = make_direct()
    go_on(cluster, direct(imagesRepo=f"{OTHER}/deckhouse/ee", password="new-pass"), until="SwitchAddress/all")
    assert sources(cluster)[0] == f"u@https://{HOST}"
    cluster.dead = {HOST: False}
    for _ in range(3):
        cluster.wait(40)
        cluster.answer()
        cluster.settle()
    assert cluster.step() == "SwitchAddress/all"
    assert sources(cluster) == [f"u@https://{OTHER}", f"u@https://{HOST}"]
    assert read_upstream(cluster) == f"u:new-pass@{OTHER}{PATH}"
    go_on(cluster)


def test_an_expired_password_is_replaced_without_asking_with_it_again() -> None:
    cluster = make_direct()
    cluster.dead = {f"u:{PASSWORD}": True}
    go_on(cluster, direct(password="new-pass"), until="SwitchAddress/all")
    assert sources(cluster)[0] == f"u@https://{HOST}"
    assert "new-pass" in cluster.folders("worker-0")[FIXED].partition("[host")[2].partition("server")[0]
    go_on(cluster)
    assert logins(cluster) == [(FIXED, "new-pass")]


def test_with_the_same_login_nothing_that_helm_renders_is_needed() -> None:
    """Helm runs in the operator's main queue, which any broken module can block."""
    cluster = make_direct()
    before = dict(cluster.values["internal"])
    cluster.edit(direct(imagesRepo=f"{OTHER}/deckhouse/ee"))
    for _ in range(80):
        cluster.settle()
        assert cluster.values["internal"] == before
        if not cluster.step():
            break
        cluster.report()
        cluster.answer()
        cluster.collect()
        cluster.wait(5)
    assert sources(cluster) == [f"u@https://{OTHER}"]


@pytest.mark.parametrize("step", ["SwitchAddress/all", "CleanUp/address"])
def test_another_login_waits_for_the_platform_and_names_the_queue_that_may_be_blocked(step: str) -> None:
    cluster = make_direct()
    go_on(cluster, direct(password="new-pass"), until=step)
    cluster.report()
    cluster.answer()
    cluster.wait(60)
    cluster.settle()
    assert cluster.step() == step
    assert "deckhouse-controller queue main" in cluster.condition("Ready")["message"]


def test_kubelets_look_at_the_proxys_secrets_as_soon_as_those_are_written() -> None:
    cluster = make_direct()
    before = _find_mark(cluster)
    cluster.edit(direct(password="new-pass"))
    runs = []
    for _ in range(60):
        names = {operation["name"] for operation in cluster.run().operations if "name" in operation}
        runs.append({name for name in names if name.startswith("registry-incluster-proxy-")})
        if not names:
            cluster.world()
    mounted = {"registry-incluster-proxy-upstream", "registry-incluster-proxy-users"}
    pokes = [index for index, run in enumerate(runs) if "registry-incluster-proxy-0" in run]
    # A kubelet that came before the Secret is written would look again in a minute only.
    assert all(runs[index] == {"registry-incluster-proxy-0"} and runs[index - 1] & mounted for index in pokes)
    assert len(pokes) == sum(bool(run & mounted) for run in runs) > 0
    assert _find_mark(cluster) not in ("", before)


def _find_mark(cluster: MemoryCluster) -> str:
    pod = cluster.kube.find("Pod", "registry-incluster-proxy-0")
    assert pod is not None
    return str(pod["metadata"].get("annotations", {}).get("registry.deckhouse.io/mounted", ""))
