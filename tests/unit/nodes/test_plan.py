# SPDX-License-Identifier: Apache-2.0
"""The node plan: tokens, proof ids and the JSON that nodes read."""

import json
from dataclasses import replace
from typing import Any

import pytest
from d8registry.errors import InvalidObject
from d8registry.model.hosts import FileEntry, HostsFolder
from d8registry.nodes import (
    Canaries,
    Layout,
    NodePlan,
    build_layout,
    build_plan,
    build_proof,
    build_uninstall_plan,
    expected_token,
    parse_plan,
    render_plan,
)
from hypothesis import given
from hypothesis import strategies as st

HOST = "registry.d8-system.svc:5001"
REFERENCE = f"{HOST}/system/deckhouse@sha256:{'a' * 64}"
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


def folder(content: str = "server", name: str = HOST) -> HostsFolder:
    return HostsFolder(name=name, files=(FileEntry(name="hosts.toml", mode="0600", content=content),))


def layout(content: str = "server") -> Layout:
    proof = build_proof(folder(content), reference=REFERENCE, address="a.test:443", master_pulls=[REFERENCE])
    return build_layout([folder(content)], [proof])


def plan(**more: Any) -> NodePlan:
    given_by_test = {"counter": 3, "epoch": "3f9c2a1b", "salt": "a1", "interval_seconds": 5, "default": "old"}
    return build_plan(**{**given_by_test, "layouts": {"old": layout("old"), "new": layout("new")}, **more})


@given(content=TEXT, nodes=st.none() | st.lists(TEXT, max_size=3))
def test_a_plan_reads_back_as_it_was(content: str, nodes: list[str] | None) -> None:
    canaries = None if nodes is None else Canaries(layout="new", nodes=tuple(nodes))
    wanted = plan(layouts={"old": layout(content), "new": layout("new")}, canaries=canaries)
    assert parse_plan(render_plan(wanted)) == wanted


def test_equal_plans_give_equal_bytes_whatever_the_order_of_what_went_in() -> None:
    layouts = {"old": layout("old"), "new": layout("new")}
    first = plan(layouts=layouts, canaries=Canaries(layout="new", nodes=("b", "a", "b")))
    second = plan(layouts=dict(reversed(layouts.items())), canaries=Canaries(layout="new", nodes=("a", "b")))
    assert render_plan(first) == render_plan(second)


def test_the_json_has_the_fields_of_the_interface() -> None:
    document = json.loads(render_plan(plan()))
    assert set(document) == {"schema", "counter", "epoch", "salt", "intervalSeconds", "default", "canaries", "layouts"}
    assert set(document["layouts"]["old"]) == {"token", "folders", "proofs"}
    assert set(document["layouts"]["old"]["proofs"][0]) == {
        *("id", "host", "files", "reference", "address", "deadlineSeconds", "masterPulls"),
    }


def test_a_plan_that_uninstalls_says_so_and_names_no_folder() -> None:
    wanted = build_uninstall_plan(counter=9, epoch="3f9c2a1b", salt="a1")
    document = json.loads(render_plan(wanted))
    assert document["uninstall"] is True
    assert [layout["folders"] for layout in document["layouts"].values()] == [[]]
    assert parse_plan(render_plan(wanted)) == wanted
    assert expected_token(wanted, "worker-0").startswith("9.3f9c2a1b.")


def test_canaries_are_expected_to_report_another_token() -> None:
    wanted = plan(canaries=Canaries(layout="new", nodes=("master-0",)))
    assert expected_token(wanted, "master-0") == wanted.build_token("new")
    assert expected_token(wanted, "worker-0") == wanted.build_token("old")
    assert wanted.build_token("new").startswith("3.3f9c2a1b.")


def test_a_token_changes_with_counter_epoch_and_every_part_of_the_layout() -> None:
    proof = layout().proofs[0]
    variants = [
        plan(layouts={"old": layout()}),
        plan(layouts={"old": layout()}, counter=4),
        plan(layouts={"old": layout()}, epoch="00000000"),
        plan(layouts={"old": layout()}, salt="b2"),
        plan(layouts={"old": layout("other")}),
        plan(layouts={"old": replace(layout(), proofs=())}),
        plan(layouts={"old": replace(layout(), proofs=(replace(proof, deadline_seconds=1),))}),
    ]
    assert len({variant.build_token("old") for variant in variants}) == len(variants)


def test_a_proof_keeps_its_id_in_another_plan_and_layout() -> None:
    assert plan(counter=9).get_layout("old").proofs[0].id == layout("old").proofs[0].id
    assert layout("old").proofs[0].id != layout("new").proofs[0].id


@pytest.mark.parametrize(
    "broken",
    ["", "[]", "{}", "null", '{"schema":2}', '{"schema":1,"layouts":[]}'],
)
def test_text_that_is_not_a_plan_is_refused(broken: str) -> None:
    with pytest.raises(InvalidObject, match="registry-node-plan"):
        parse_plan(broken)


def test_a_plan_whose_token_does_not_fit_its_content_is_refused() -> None:
    with pytest.raises(InvalidObject, match="does not fit"):
        parse_plan(render_plan(plan()).replace('"content":"old"', '"content":"forged"'))


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".hidden", "a:b", "host:123456"])
def test_a_folder_that_leads_out_of_registry_d_is_refused(name: str) -> None:
    with pytest.raises(InvalidObject, match="not a host name"):
        render_plan(plan(layouts={"old": build_layout([folder(name=name)])}))


def test_a_reference_of_another_host_proves_nothing() -> None:
    with pytest.raises(InvalidObject, match="another host"):
        build_proof(folder(), reference=f"elsewhere/x@sha256:{'a' * 64}", address="a.test:443")


@pytest.mark.parametrize("more", [{"default": "none"}, {"canaries": Canaries(layout="none", nodes=())}])
def test_a_layout_that_is_not_there_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidObject, match="no layout is called none"):
        plan(**more)


def test_a_folder_stands_once_in_a_layout() -> None:
    with pytest.raises(InvalidObject, match="listed twice"):
        build_layout([folder("a"), folder("b")])
