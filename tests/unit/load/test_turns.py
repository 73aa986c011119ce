# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is in the load, and which base the platform's pulls name."""

import json

import pytest

from box.load.bases import Base, list_bases
from box.load.load import Turns
from box.load.puller import choose_role
from box.load.pulls import Role
from box.load.tenants import Tenant, build_pull_secret
from box.registries.accounts import Account, Owner
from box.watch.view import Phase

A = Tenant(registry="registry-a", base=Base(host="a", path="/tenants/app"), images=())
B = Tenant(registry="registry-b", base=Base(host="b", path="/tenants/app"), images=())


def test_each_third_pull_is_a_tenants_and_tenants_take_turns() -> None:
    turns = Turns()
    taken = [turns.take([A, B]) for _ in range(12)]
    assert [one.registry[-1] if one else "." for one, _ in taken] == list("..b..a..b..a")
    assert [number for one, number in taken if one is None] == list(range(8))


def test_without_tenants_every_pull_is_the_platforms() -> None:
    turns = Turns()
    assert [turns.take([]) for _ in range(4)] == [(None, number) for number in range(4)]


def test_while_both_bases_work_each_is_pulled_with_each_namespaces_secret() -> None:
    roles = [(choose_role(Phase.BOTH, number), number % 2) for number in range(4)]
    assert set(roles) == {(role, namespace) for role in (Role.OLD, Role.NEW) for namespace in (0, 1)}


@pytest.mark.parametrize(("phase", "role"), [(Phase.OLD, Role.OLD), (Phase.NEW, Role.NEW)])
def test_else_only_the_one_that_works(phase: Phase, role: Role) -> None:
    assert {choose_role(phase, number) for number in range(8)} == {role}


def test_a_tenants_pull_secret_has_an_entry_a_host() -> None:
    login = Account(owner=Owner.TENANT, user="tenant", password="p")
    secret = build_pull_secret({"a": login, "b": login})
    auths = json.loads(secret["stringData"][".dockerconfigjson"])["auths"]
    assert auths == {host: {"username": "tenant", "password": "p"} for host in ("a", "b")}


def test_an_image_is_removed_under_every_name_that_an_earlier_run_may_have_given_it() -> None:
    names = {one.build_reference("sha256:1") for one in list_bases()}
    assert {
        "registry.d8-system.svc:5001/system/deckhouse@sha256:1",
        "registry-a.box.test/deckhouse/ee@sha256:1",
        "registry-a.box.test/archive/d8/ee@sha256:1",
        "registry-http.box.test:5000/deckhouse/ee@sha256:1",
    } <= names
