# SPDX-License-Identifier: Apache-2.0
"""What the module owns is put back, and said. Factors: object x deleted, edited x by whom x Unmanaged, Direct."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.support.memory_cluster import PASSWORD, MemoryCluster, direct

OWNED = [
    "registry-node-plan",
    "registry-bashible-config",
    "registry-questions",
    "registry-incluster-proxy-upstream",
    "registry-incluster-proxy-users",
    "registry-incluster-proxy-tls",
]


@pytest.fixture
def cluster() -> MemoryCluster:
    return build_cluster()


def build_cluster() -> MemoryCluster:
    """A cluster at rest in Direct."""
    made = MemoryCluster()
    made.settle()
    made.report()
    made.edit(direct())
    for _ in range(60):
        made.settle()
        if made.text("registry-state", "mode") == "Direct" and not made.step():
            return made
        made.world()
        made.wait(5)
    raise AssertionError(made.condition("Ready"))


def notices(cluster: MemoryCluster) -> list[dict[str, Any]]:
    return yaml.safe_load(cluster.text("registry-state", "notices")) or []


def touch(cluster: MemoryCluster, name: str, key: str, value: str, writer: str = "kubectl-edit") -> None:
    """Change one key of a Secret as a person would, with what the API server notes of it."""
    cluster.put_secret(name, {**cluster.data(name), key: value})
    found = cluster.kube.find("Secret", name)
    assert found is not None
    managers = [("addon-operator", "2026-11-23T11:00:00Z"), (writer, "2026-11-23T12:30:00Z"), ("old", None)]
    found["metadata"]["managedFields"] = [{"manager": name, **({"time": at} if at else {})} for name, at in managers]
    cluster.kube.put(found)


@pytest.mark.parametrize("name", OWNED)
def test_a_deleted_secret_comes_back_as_it_was(cluster: MemoryCluster, name: str) -> None:
    before = cluster.data(name)
    cluster.kube.delete(cluster.kube.resolve("v1", "Secret"), "d8-system", name, "Background")
    cluster.settle()
    assert cluster.data(name) == before
    assert notices(cluster) == []


@pytest.mark.parametrize("name", [*OWNED, "deckhouse-registry"])
def test_an_edited_secret_is_put_back_and_the_edit_is_told_with_its_writer(cluster: MemoryCluster, name: str) -> None:
    before = cluster.data(name)
    key = sorted(before)[-1]
    touch(cluster, name, key, "edited")
    outputs = cluster.run()
    assert cluster.data(name) == before
    (notice,) = notices(cluster)
    assert (notice["object"], notice["keys"]) == (f"Secret d8-system/{name}", f"data.{key}")
    assert (notice["writer"], notice["outcome"]) == ("kubectl-edit", "PutBack")
    assert outputs.warnings == (f"Secret d8-system/{name}: data.{key} changed by kubectl-edit; put back",)
    cluster.settle()
    assert len(notices(cluster)) == 1


def test_a_key_that_was_added_is_told_and_removed(cluster: MemoryCluster) -> None:
    touch(cluster, "registry-node-plan", "more", "x")
    cluster.settle()
    assert list(cluster.data("registry-node-plan")) == ["plan"]
    assert notices(cluster)[0]["keys"] == "data.more"


def test_a_key_of_the_platforms_own_secret_that_is_not_ours_is_no_edit(cluster: MemoryCluster) -> None:
    touch(cluster, "deckhouse-registry", "clusterIsBootstrapped", "true", writer="deckhouse-controller")
    assert cluster.run().operations == ()
    assert cluster.data("deckhouse-registry")["clusterIsBootstrapped"] == "true"


def test_what_the_module_itself_changes_is_no_edit(cluster: MemoryCluster) -> None:
    cluster.edit(direct(password="another"))
    for _ in range(40):
        cluster.settle()
        cluster.world()
        cluster.wait(5)
    assert notices(cluster) == []


def test_an_edit_in_mid_switch_is_put_back_and_told(cluster: MemoryCluster) -> None:
    cluster = MemoryCluster()
    cluster.settle()
    cluster.report()
    cluster.edit(direct())
    for _ in range(60):
        cluster.settle()
        if cluster.step() == "SwitchAddress/all":
            break
        cluster.world()
        cluster.wait(5)
    before = cluster.data("registry-bashible-config")
    touch(cluster, "registry-bashible-config", "config", "mode: Unmanaged\n")
    cluster.settle()
    assert cluster.data("registry-bashible-config") == before
    assert [notice["object"] for notice in notices(cluster)] == ["Secret d8-system/registry-bashible-config"]


def test_while_paused_an_edit_is_told_and_left_and_put_back_afterwards(cluster: MemoryCluster) -> None:
    before = cluster.data("registry-node-plan")
    cluster.annotate("pause", "1")
    cluster.settle()
    touch(cluster, "registry-node-plan", "plan", "edited")
    for _ in range(3):
        cluster.settle()
        cluster.wait(3600)
    assert cluster.data("registry-node-plan") == {"plan": "edited"}
    assert [notice["outcome"] for notice in notices(cluster)] == ["LeftWhilePaused"]
    cluster.annotate("pause", None)
    cluster.settle()
    assert cluster.data("registry-node-plan") == before
    assert [notice["outcome"] for notice in notices(cluster)] == ["LeftWhilePaused", "PutBack"]


def test_only_the_newest_edits_are_kept(cluster: MemoryCluster) -> None:
    for number in range(25):
        touch(cluster, "registry-node-plan", "plan", f"edit {number}")
        cluster.settle()
        cluster.wait(120)
    assert len(notices(cluster)) == 20


def test_an_older_releases_secrets_without_a_seal_are_sealed_and_not_taken_for_edited(cluster: MemoryCluster) -> None:
    found = cluster.kube.find("Secret", "registry-node-plan")
    assert found is not None
    del found["metadata"]["annotations"]["registry.deckhouse.io/content"]
    cluster.kube.put(found)
    cluster.settle()
    assert notices(cluster) == []
    again = cluster.kube.find("Secret", "registry-node-plan")
    assert again is not None
    assert "registry.deckhouse.io/content" in again["metadata"]["annotations"]


def test_no_seal_lets_anyone_try_out_the_password(cluster: MemoryCluster) -> None:
    """The same Secret in two clusters has two seals, and the password is in none."""
    seals = []
    for name in cluster.kube.names("Secret"):
        found = cluster.kube.find("Secret", name) or {}
        seals.append(found["metadata"].get("annotations", {}).get("registry.deckhouse.io/content", ""))
    assert PASSWORD not in json.dumps(seals)
    other = build_cluster()
    ours, theirs = (each.kube.find("Secret", "registry-questions") or {} for each in (cluster, other))
    assert ours["data"] == theirs["data"]
    key = "registry.deckhouse.io/content"
    assert ours["metadata"]["annotations"][key] != theirs["metadata"]["annotations"][key]
