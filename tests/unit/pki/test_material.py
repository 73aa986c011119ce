# SPDX-License-Identifier: Apache-2.0
"""What is in use is found. Factors: registry-pki (whole, lost, broken, replaced) x what is served x what is trusted."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from d8registry.adapters.certificates import issue_first, issue_successor
from d8registry.errors import InvalidObject
from d8registry.model.secret import Secret
from d8registry.pki.material import Material, build_names, find_material, render_material
from d8registry.pki.trust import Trust, choose_served, choose_trusted

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = build_names("cluster.local")
OWN, OTHER = issue_first(NAMES, NOW), issue_first(NAMES, NOW)
ROTATING = issue_successor(OWN, NAMES, NOW)


def serve(material: Material) -> dict[str, str]:
    return {"ca.crt": material.ca_pem, "tls.crt": material.cert_pem, "tls.key": material.key.value}


@pytest.mark.parametrize("material", [OWN, ROTATING], ids=["one authority", "with its successor"])
def test_the_secret_reads_back_as_it_was_written(material: Material) -> None:
    assert find_material(render_material(material), {}, "") == material


def test_nothing_at_all_is_no_material() -> None:
    assert find_material({}, {}, "") is None


@pytest.mark.parametrize("pki", [{}, {"ca.crt": OWN.ca_pem}], ids=["lost", "broken"])
def test_what_the_proxy_serves_already_stays_although_nobody_trusts_it_yet(pki: dict[str, str]) -> None:
    assert find_material(pki, serve(OWN), "") == replace(OWN, ca_key=Secret(""))


@pytest.mark.parametrize("served", [{}, {"ca.crt": OWN.ca_pem}], ids=["nothing", "half of it"])
def test_a_broken_secret_while_nothing_is_served_or_trusted_is_no_material(served: dict[str, str]) -> None:
    assert find_material({"ca.crt": OWN.ca_pem}, served, "") is None


def test_an_authority_that_is_not_yet_trusted_is_not_unseated_by_what_somebody_lets_the_proxy_serve() -> None:
    assert find_material(render_material(OWN), serve(OTHER), "") == OWN


@pytest.mark.parametrize("trust", [Trust.MOVED, Trust.NEW])
@pytest.mark.parametrize("lost", ["", "next-"], ids=["the whole Secret", "the successor"])
def test_once_the_successor_serves_a_loss_leaves_both_authorities_as_far_as_they_are_trusted(
    trust: Trust, lost: str
) -> None:
    assert ROTATING.successor is not None
    left = {key: text for key, text in render_material(ROTATING).items() if not key.startswith(lost)}
    found = find_material(left, serve(ROTATING.successor), choose_trusted(ROTATING, Trust.MOVED), is_moved=True)
    assert found is not None
    assert found.successor == replace(ROTATING.successor, ca_key=Secret(""))
    assert choose_trusted(found, trust).strip() == choose_trusted(ROTATING, trust).strip()
    assert choose_served(found, trust).cert_pem == ROTATING.successor.cert_pem
    # What was written with that is found the same again.
    again = find_material(
        render_material(found), serve(ROTATING.successor), choose_trusted(ROTATING, Trust.MOVED), is_moved=True
    )
    assert again == found


def test_a_rotation_that_is_over_leaves_the_successor_alone() -> None:
    assert ROTATING.successor is not None
    done = ROTATING.successor
    assert find_material(render_material(done), serve(done), done.ca_pem, is_moved=True) == done


@pytest.mark.parametrize("key", ["tls.crt", "tls.key"])
def test_a_lost_serving_pair_keeps_the_authority(key: str) -> None:
    found = find_material(render_material(OWN) | {key: " "}, serve(OWN), OWN.ca_pem)
    assert found is not None
    assert found.authority == OWN.authority


@pytest.mark.parametrize("key", ["ca.crt", "ca.key"])
def test_a_lost_authority_leaves_what_is_served_without_its_key(key: str) -> None:
    found = find_material(render_material(OWN) | {key: ""}, serve(OWN), OWN.ca_pem)
    assert found == replace(OWN, ca_key=Secret(""))


def test_a_lost_secret_leaves_what_is_served_without_its_key() -> None:
    assert find_material({}, serve(OWN), OWN.ca_pem) == replace(OWN, ca_key=Secret(""))


def test_a_replaced_authority_is_not_used_while_another_is_trusted() -> None:
    assert find_material(render_material(OTHER), serve(OWN), OWN.ca_pem) == replace(OWN, ca_key=Secret(""))


def test_an_edited_trust_does_not_unseat_the_authority() -> None:
    assert find_material(render_material(OWN), serve(OWN), "rubbish") == OWN


def test_an_edited_certificate_of_the_proxy_does_not_unseat_the_authority() -> None:
    assert find_material(render_material(OWN), serve(OTHER), OWN.ca_pem) == OWN


def test_during_a_rotation_either_authority_is_known() -> None:
    for trust in Trust:
        trusted, served = choose_trusted(ROTATING, trust), serve(choose_served(ROTATING, trust))
        assert find_material(render_material(ROTATING), served, trusted) == ROTATING


def test_where_nothing_that_is_left_is_trusted_a_backup_is_asked_for() -> None:
    with pytest.raises(InvalidObject, match=r"registry-pki.*backup"):
        find_material({}, serve(OTHER), OWN.ca_pem)


def test_what_is_served_is_trusted_at_every_stage_and_before_and_after_it() -> None:
    """So a crash between the write of the trust and the write of the certificate cuts nobody off."""
    for before, after in pairwise(Trust):
        for trust, served in ((before, before), (before, after), (after, before), (after, after)):
            assert choose_served(ROTATING, served).ca_pem.strip() in choose_trusted(ROTATING, trust)


def test_a_rotation_that_is_given_up_leaves_what_the_proxy_may_still_serve_by_trusted() -> None:
    for reached in Trust:
        if reached is not Trust.NEW:
            assert choose_served(ROTATING, reached).ca_pem.strip() in choose_trusted(ROTATING, Trust.OLD)
    assert choose_served(ROTATING, Trust.OLD).ca_pem == OWN.ca_pem


def test_without_a_successor_every_stage_is_the_present_authority() -> None:
    assert {choose_trusted(OWN, trust) for trust in Trust} == {OWN.ca_pem}
    assert {choose_served(OWN, trust) for trust in Trust} == {OWN}


def test_keys_are_not_shown() -> None:
    assert "PRIVATE" not in repr(ROTATING)
