# SPDX-License-Identifier: Apache-2.0
"""What is issued or renewed. Factors: material (none, good, foreign, broken) x moment x names."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from d8registry.adapters.certificates import issue_authority, issue_certificate, issue_material
from d8registry.errors import InvalidObject
from d8registry.model.secret import Secret
from d8registry.pki.material import Material, build_names
from d8registry.pki.renewal import Issue, RenewalPlan, is_rotation_due, plan_renewal, read_end

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = build_names("cluster.local")
DAY = timedelta(days=1)


def issue_first() -> Material:
    return issue_material(plan_renewal(None, NAMES, NOW), None, NAMES, NOW)


MATERIAL = issue_first()


def test_names_are_the_fixed_address_its_full_name_and_localhost() -> None:
    assert NAMES == ("registry.d8-system.svc", "registry.d8-system.svc.cluster.local", "localhost")


def test_a_cluster_without_material_gets_everything() -> None:
    assert plan_renewal(None, NAMES, NOW).issue is Issue.EVERYTHING


@pytest.mark.parametrize(
    ("after", "issue"),
    [
        pytest.param(timedelta(0), Issue.NOTHING, id="fresh"),
        pytest.param(243 * DAY, Issue.NOTHING, id="just before two thirds of a year"),
        pytest.param(244 * DAY, Issue.CERTIFICATE, id="after two thirds of a year"),
        pytest.param(400 * DAY, Issue.CERTIFICATE, id="expired"),
        pytest.param(3649 * DAY, Issue.CERTIFICATE, id="last day of the authority"),
        pytest.param(3650 * DAY, Issue.NOTHING, id="authority expired: a rotation's matter"),
    ],
)
def test_what_is_issued_depends_on_the_age(after: timedelta, issue: Issue) -> None:
    plan = plan_renewal(MATERIAL, NAMES, NOW + after)
    assert plan.issue is issue
    assert bool(plan.reason) is (after not in (timedelta(0), 243 * DAY))


def test_a_certificate_that_ends_with_its_authority_is_not_renewed_over_and_over() -> None:
    late = NOW + 3649 * DAY
    renewed = issue_material(plan_renewal(MATERIAL, NAMES, late), MATERIAL, NAMES, late)
    assert renewed.ca_pem == MATERIAL.ca_pem
    assert plan_renewal(renewed, NAMES, late + timedelta(hours=23)).issue is Issue.NOTHING


def test_a_renewal_keeps_the_authority_and_changes_the_key() -> None:
    late = NOW + 300 * DAY
    renewed = issue_material(plan_renewal(MATERIAL, NAMES, late), MATERIAL, NAMES, late)
    assert renewed.authority == MATERIAL.authority
    assert renewed.key != MATERIAL.key
    assert plan_renewal(renewed, NAMES, late).issue is Issue.NOTHING


def test_another_cluster_domain_renews_the_certificate() -> None:
    plan = plan_renewal(MATERIAL, build_names("corp.local"), NOW)
    assert plan == RenewalPlan(
        issue=Issue.CERTIFICATE, reason="the serving certificate lacks registry.d8-system.svc.corp.local"
    )


def test_a_certificate_of_another_authority_is_replaced() -> None:
    pem, key = issue_certificate(issue_authority(NOW), NAMES, NOW)
    assert plan_renewal(replace(MATERIAL, cert_pem=pem, key=key), NAMES, NOW).issue is Issue.CERTIFICATE


@pytest.mark.parametrize("broken", [{"cert_pem": "rubbish"}, {"key": Secret("rubbish")}], ids=["certificate", "key"])
def test_a_broken_serving_pair_is_replaced(broken: dict[str, str | Secret]) -> None:
    plan = plan_renewal(replace(MATERIAL, **broken), NAMES, NOW)  # type: ignore[arg-type]
    assert plan.issue is Issue.CERTIFICATE


@pytest.mark.parametrize(
    "broken",
    [{"ca_pem": "rubbish"}, {"ca_key": Secret("rubbish")}, {"ca_key": issue_authority(NOW).key}],
    ids=["certificate", "key", "key of another authority"],
)
def test_a_broken_authority_is_never_replaced_silently(broken: dict[str, str | Secret]) -> None:
    with pytest.raises(InvalidObject, match=r"registry-pki.*backup") as caught:
        plan_renewal(replace(MATERIAL, **broken), NAMES, NOW)  # type: ignore[arg-type]
    assert "rubbish" not in str(caught.value)


@pytest.mark.parametrize("after", [3285 * DAY, 3650 * DAY], ids=["in its last year", "expired"])
def test_an_authority_that_nobody_trusts_yet_is_replaced_at_once(after: timedelta) -> None:
    assert plan_renewal(MATERIAL, NAMES, NOW + after, is_trusted=False).issue is Issue.EVERYTHING


def test_an_authority_is_followed_by_another_in_its_last_year() -> None:
    end = read_end(MATERIAL)
    assert end == NOW + 3650 * DAY
    assert not is_rotation_due(end, NOW + 3284 * DAY)
    assert is_rotation_due(end, NOW + 3285 * DAY)


def test_an_authority_without_its_key_is_kept_while_it_is_trusted() -> None:
    lost = replace(MATERIAL, ca_key=Secret(""))
    assert plan_renewal(lost, NAMES, NOW + 400 * DAY).issue is Issue.NOTHING
    assert plan_renewal(lost, NAMES, NOW, is_trusted=False).issue is Issue.EVERYTHING


def test_keys_are_not_shown() -> None:
    assert "PRIVATE" not in repr(MATERIAL)


def test_the_authority_signs_and_the_certificate_only_serves() -> None:
    authority = x509.load_pem_x509_certificate(MATERIAL.ca_pem.encode())
    certificate = x509.load_pem_x509_certificate(MATERIAL.cert_pem.encode())
    certificate.verify_directly_issued_by(authority)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert authority.not_valid_after_utc == NOW + 3650 * DAY
    assert certificate.not_valid_after_utc == NOW + 365 * DAY


def test_a_plan_that_keeps_what_is_gone_is_refused() -> None:
    with pytest.raises(InvalidObject, match="gone"):
        issue_material(RenewalPlan(issue=Issue.NOTHING), None, NAMES, NOW)
