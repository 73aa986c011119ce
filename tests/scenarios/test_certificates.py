# SPDX-License-Identifier: Apache-2.0
"""The module's own authority and certificate in a running cluster.

Factors: why (asked, last year, key lost, Secret lost, Secret replaced) x the world (prompt, held up) x a crash between
two writes x other settings meanwhile. Throughout: what the proxy serves is trusted by the deckhouse that runs.
"""

from __future__ import annotations

import pytest
from d8registry.adapters.certificates import issue_first
from d8registry.adapters.reconcile import reconcile
from d8registry.pki.material import build_names, render_material

from tests.scenarios.direct import go_on
from tests.support.memory_cluster import MemoryCluster, direct

DAY = 24 * 3600
TLS = "registry-incluster-proxy-tls"


class Watched(MemoryCluster):
    """Checks after every run that nobody who trusts the fixed address is cut off; counts what deckhouse takes over."""

    def __init__(self) -> None:
        self.running = ""
        self.takeovers = 0
        super().__init__()

    def take_over(self, name: str = "") -> None:
        content = self.data("deckhouse-registry")
        self.takeovers += content["ca"] != self.running
        self.running = content["ca"]
        super().take_over(name)

    def check(self) -> None:
        served = self.data(TLS)
        if served and self.data("deckhouse-registry")["address"].startswith("registry.d8-system.svc"):
            assert served["ca.crt"].strip() in self.running
            assert served["ca.crt"].strip() in self.data("deckhouse-registry")["ca"]


@pytest.fixture
def cluster() -> Watched:
    """A cluster at rest in Direct."""
    made = Watched()
    made.settle()
    made.report()
    made.edit(direct())
    for _ in range(60):
        made.settle()
        if made.text("registry-state", "mode") == "Direct" and not made.step():
            break
        made.world()
        made.wait(5)
    made.world()
    made.settle()
    assert made.condition("Ready")["status"] == "True"
    made.takeovers = 0
    return made


def lose_authority(cluster: Watched) -> None:
    cluster.kube.delete(cluster.kube.resolve("v1", "Secret"), "d8-system", "registry-pki", "Background")


def rotate(cluster: Watched, limit: int = 60) -> list[str]:
    """Let the world move until nothing is under way: the steps that were seen."""
    seen: list[str] = []
    for _ in range(limit):
        cluster.run()
        cluster.check()
        if cluster.step() and cluster.step() not in seen:
            seen.append(cluster.step())
        outputs = cluster.run()
        cluster.check()
        if not cluster.step() and not outputs.operations:
            return seen
        cluster.world()
        cluster.wait(5)
    raise AssertionError(f"{cluster.step()}: {cluster.condition('Ready')}")


def test_a_rotation_on_request_goes_by_both_authorities_and_deckhouse_takes_over_twice(cluster: Watched) -> None:
    before, folders = cluster.data("registry-pki"), cluster.folders("worker-0")
    cluster.annotate("rotate-ca", "1")
    steps = rotate(cluster)
    assert steps == ["SwitchAddress/all", "PreferNew/all", "StartProxy/all", "CleanUp/address"]
    after = cluster.data("registry-pki")
    assert set(after) == set(before)
    assert after["ca.crt"] != before["ca.crt"]
    assert cluster.data("deckhouse-registry")["ca"] == after["ca.crt"] == cluster.data(TLS)["ca.crt"]
    assert cluster.takeovers == 2
    assert cluster.folders("worker-0") == folders
    assert cluster.condition("Ready")["status"] == "True"


def test_nodes_are_asked_for_nothing_by_a_rotation(cluster: Watched) -> None:
    token = cluster.plan().build_token(cluster.plan().default)
    cluster.annotate("rotate-ca", "1")
    rotate(cluster)
    assert cluster.plan().build_token(cluster.plan().default) == token


def test_the_same_request_again_is_none(cluster: Watched) -> None:
    cluster.annotate("rotate-ca", "1")
    rotate(cluster)
    kept = cluster.data("registry-pki")
    cluster.annotate("rotate-ca", "1")
    assert rotate(cluster) == []
    assert cluster.data("registry-pki") == kept


def test_the_new_authority_serves_only_after_deckhouse_trusts_it_and_the_soak_is_over(cluster: Watched) -> None:
    old = cluster.data(TLS)
    cluster.annotate("rotate-ca", "1")
    for _ in range(5):
        cluster.settle()
        cluster.wait(300)
    assert cluster.step() == "SwitchAddress/all"
    assert "deckhouse takes Secret" in cluster.condition("Ready")["message"]
    assert cluster.condition("Ready")["reason"] == "RotatingAuthority"
    cluster.world()
    cluster.settle()
    cluster.answer()
    cluster.settle()
    assert cluster.step() == "PreferNew/all"
    assert cluster.data(TLS) == old


@pytest.mark.parametrize(("age", "is_due"), [(3284 * DAY, False), (3290 * DAY, True)])
def test_an_authority_is_followed_by_another_in_its_last_year(cluster: Watched, age: int, is_due: bool) -> None:
    before = cluster.data("registry-pki")["ca.crt"]
    cluster.wait(age)
    rotate(cluster)
    assert (cluster.data("registry-pki")["ca.crt"] != before) is is_due


def test_a_certificate_is_renewed_at_two_thirds_of_its_life_under_the_same_authority(cluster: Watched) -> None:
    before = cluster.data(TLS)
    cluster.wait(250 * DAY)
    assert rotate(cluster) == []
    after = cluster.data(TLS)
    assert after["ca.crt"] == before["ca.crt"]
    assert after["tls.crt"] != before["tls.crt"]
    assert cluster.takeovers == 0


@pytest.mark.parametrize("key", ["ca.crt", "ca.key", ""], ids=["ca.crt", "ca.key", "the whole Secret"])
def test_a_lost_authority_is_followed_by_a_new_one_and_nobody_is_cut_off(cluster: Watched, key: str) -> None:
    old = cluster.data("registry-pki")
    if key:
        cluster.put_secret("registry-pki", {**old, key: ""})
    else:
        lose_authority(cluster)
    cluster.values = {"internal": {"proxy": {"enabled": False, "replicas": 0}}}
    assert rotate(cluster) != []
    after = cluster.data("registry-pki")
    assert all(after[name].strip() for name in old)
    assert after["ca.crt"] != old["ca.crt"]
    assert cluster.values["internal"]["proxy"] == {"enabled": True, "replicas": 1}


@pytest.mark.parametrize("key", ["ca.key", ""], ids=["ca.key", "the whole Secret"])
def test_a_lost_authority_stays_trusted_while_the_proxy_may_still_serve_by_it(cluster: Watched, key: str) -> None:
    old = cluster.data("registry-pki")
    if key:
        cluster.put_secret("registry-pki", {**old, key: ""})
    else:
        lose_authority(cluster)
    go_on(cluster, until="StartProxy/all")
    assert cluster.data(TLS)["ca.crt"] != old["ca.crt"]
    assert old["ca.crt"].strip() in cluster.data("deckhouse-registry")["ca"]


def test_an_authority_lost_before_the_first_switch_of_the_address_keeps_what_the_proxy_serves() -> None:
    cluster = Watched()
    cluster.settle()
    cluster.report()
    go_on(cluster, direct(), until="StartProxy/all")
    cluster.settle()
    served = cluster.data(TLS)
    lose_authority(cluster)
    go_on(cluster, until="SwitchAddress/all")
    assert cluster.data(TLS) == served
    assert cluster.data("deckhouse-registry")["ca"] == served["ca.crt"]
    cluster.world()
    rotate(cluster)
    assert cluster.data("registry-pki")["ca.key"].strip()
    assert cluster.data("registry-pki")["ca.crt"] != served["ca.crt"]


def test_a_successor_lost_in_the_soak_is_followed_by_one_that_deckhouse_takes_over_first(cluster: Watched) -> None:
    cluster.annotate("rotate-ca", "1")
    go_on(cluster, until="PreferNew/all")
    lost = cluster.data("registry-pki")["next-ca.crt"]
    cluster.wait(61)
    lose_authority(cluster)
    cluster.settle()
    assert cluster.data("registry-pki")["next-ca.crt"] != lost
    assert cluster.data("registry-pki")["next-ca.crt"].strip() in cluster.data("deckhouse-registry")["ca"]
    assert cluster.step() == "PreferNew/all"
    cluster.check()
    cluster.world()
    cluster.settle()
    assert cluster.condition("FinalContainerdConfigReady")["reason"] == "Soaking"
    rotate(cluster)
    assert cluster.condition("Ready")["status"] == "True"


def test_an_authority_lost_while_its_successor_begins_to_serve_stays_trusted_until_all_do(cluster: Watched) -> None:
    old = cluster.data("registry-pki")["ca.crt"]
    cluster.annotate("rotate-ca", "1")
    go_on(cluster, until="StartProxy/all")
    cluster.settle()
    served = cluster.data(TLS)
    assert served["ca.crt"] != old
    lose_authority(cluster)
    cluster.settle()
    assert cluster.step() == "StartProxy/all"
    assert cluster.data(TLS) == served
    assert old.strip() in cluster.data("deckhouse-registry")["ca"]
    rotate(cluster)
    assert cluster.condition("Ready")["status"] == "True"
    assert cluster.data("registry-pki")["ca.key"].strip()


@pytest.mark.parametrize("key", ["tls.crt", "tls.key"])
def test_a_lost_serving_pair_is_issued_anew_under_the_same_authority(cluster: Watched, key: str) -> None:
    old = cluster.data("registry-pki")
    cluster.put_secret("registry-pki", {**old, key: ""})
    assert rotate(cluster) == []
    after = cluster.data("registry-pki")
    assert (after["ca.crt"], after["ca.key"]) == (old["ca.crt"], old["ca.key"])
    assert after[key].strip()
    assert cluster.data(TLS)["tls.crt"] == after["tls.crt"]


def test_an_authority_that_somebody_put_in_is_not_taken_before_anybody_trusts_it(cluster: Watched) -> None:
    foreign = issue_first(build_names("cluster.local"), cluster.now)
    cluster.put_secret("registry-pki", render_material(foreign))
    assert rotate(cluster) != []
    assert cluster.data("registry-pki")["ca.crt"] != foreign.ca_pem


@pytest.mark.parametrize("trusted", ["", "rubbish"])
def test_an_edit_of_what_the_platform_trusts_is_put_back(cluster: Watched, trusted: str) -> None:
    kept = cluster.data("deckhouse-registry")
    cluster.put_secret("deckhouse-registry", {**kept, "ca": trusted})
    cluster.settle()
    assert cluster.data("deckhouse-registry") == kept


@pytest.mark.parametrize("done", [1, 0], ids=["after the first write", "before any write"])
def test_a_crash_between_any_two_writes_of_a_rotation_is_repaired_by_the_next_run(cluster: Watched, done: int) -> None:
    cluster.annotate("rotate-ca", "1")
    before = cluster.data("registry-pki")["ca.crt"]
    for count in range(200):
        cluster.operations_done = done if count % 2 else (1 - done) or None
        cluster.run()
        cluster.check()
        if count % 8 == 0:
            cluster.world()
            cluster.wait(10)
        if count > 8 and not cluster.step() and cluster.data("registry-pki")["ca.crt"] != before:
            return
    raise AssertionError(f"{cluster.step()}: {cluster.condition('Ready')}")


def test_a_late_run_that_issued_a_successor_too_does_not_unseat_the_one_that_is_trusted(cluster: Watched) -> None:
    """An operator freezes while it issues; another one goes on with its own successor, and the first one thaws."""
    cluster.annotate("rotate-ca", "1")
    cluster.run()
    late = reconcile(cluster.read())
    assert [operation["name"] for operation in late.operations] == ["registry-pki"]
    for _ in range(20):
        cluster.run()
    issued = cluster.data("registry-pki")
    assert "next-ca.crt" in issued
    cluster.apply(late)
    assert cluster.data("registry-pki") == issued
    rotate(cluster)
    assert cluster.data("registry-pki")["ca.crt"] == issued["next-ca.crt"]


def test_other_settings_wait_for_a_rotation_and_need_not_wait_for_one_that_is_held_up(cluster: Watched) -> None:
    cluster.annotate("rotate-ca", "1")
    cluster.settle()
    cluster.edit(direct(imagesRepo="other.example.com/d8"))
    cluster.settle()
    assert cluster.step() == "SwitchAddress/all"
    cluster.wait(1801)
    cluster.settle()
    assert cluster.step() == "CheckImages/all"
    cluster.check()


def test_a_request_in_unmanaged_is_kept_for_direct() -> None:
    cluster = MemoryCluster()
    cluster.settle()
    cluster.annotate("rotate-ca", "1")
    cluster.settle()
    assert cluster.step() == ""
    assert cluster.condition("Ready")["status"] == "True"


def test_successors_that_vanish_in_mid_rotation_cut_nobody_off(cluster: Watched) -> None:
    cluster.annotate("rotate-ca", "1")
    for _ in range(40):
        cluster.settle()
        cluster.check()
        if cluster.step() == "StartProxy/all":
            break
        cluster.world()
        cluster.wait(5)
    assert cluster.step() == "StartProxy/all"
    own = {key: value for key, value in cluster.data("registry-pki").items() if not key.startswith("next-")}
    cluster.put_secret("registry-pki", own)
    rotate(cluster)
    assert cluster.condition("Ready")["status"] == "True"
