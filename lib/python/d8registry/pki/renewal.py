# SPDX-License-Identifier: Apache-2.0
"""Choose what to issue at `now`: everything, the serving certificate, or nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from d8registry.errors import InvalidObject
from d8registry.pki.material import NAME, Material

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

AUTHORITY_LIFE = timedelta(days=3650)
# A rotation takes minutes when all is well; a year is for a cluster in which it is held up.
ROTATE_BEFORE = timedelta(days=365)
CERTIFICATE_LIFE = timedelta(days=365)
BACKDATED = timedelta(hours=1)


class Issue(StrEnum):
    """What has to be issued."""

    NOTHING = "nothing"
    CERTIFICATE = "certificate"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalPlan:
    """What to issue and why, in words for people (`reason` is empty when there is nothing to do)."""

    issue: Issue
    reason: str = ""


def plan_renewal(
    material: Material | None, names: Iterable[str], now: datetime, *, is_trusted: bool = True
) -> RenewalPlan:
    """Choose what to issue; `now` is aware, `is_trusted`: the platform pulls by the authority.

    Everything is issued only where there is nothing yet, or where an authority that is to be replaced is trusted by
    nobody; one that is trusted is followed by another in a rotation. The serving certificate is renewed at two thirds
    of its life, or when its names, its signer or its key are not the wanted ones. Raises InvalidObject when the
    material cannot be read, or the authority's key is another one's.
    """
    if material is None:
        return RenewalPlan(issue=Issue.EVERYTHING, reason="there is no authority yet")
    if not material.ca_key:
        reason = "the authority's key is lost"
        return RenewalPlan(issue=Issue.NOTHING if is_trusted else Issue.EVERYTHING, reason=reason)
    authority = _load_certificate("ca.crt", material.ca_pem)
    if not _is_pair(authority, _load_key("ca.key", material.ca_key.value)):
        raise InvalidObject(f"Secret d8-system/{NAME}: ca.key is not the key of ca.crt; restore both from a backup")
    if not is_trusted and is_rotation_due(authority.not_valid_after_utc, now):
        return RenewalPlan(issue=Issue.EVERYTHING, reason=f"the authority ends on {_day(authority)}")
    if authority.not_valid_after_utc <= now:
        return RenewalPlan(issue=Issue.NOTHING, reason=f"the authority ended on {_day(authority)}")
    reason = _find_defect(material, authority, set(names), now)
    return RenewalPlan(issue=Issue.CERTIFICATE if reason else Issue.NOTHING, reason=reason)


def is_rotation_due(end: datetime, now: datetime) -> bool:
    """Tell whether an authority that ends at `end` is to be followed by another."""
    return now >= end - ROTATE_BEFORE


def read_end(material: Material) -> datetime:
    """Read when the authority ends; raises InvalidObject when it cannot be read."""
    return _load_certificate("ca.crt", material.ca_pem).not_valid_after_utc


def _find_defect(material: Material, authority: "x509.Certificate", names: set[str], now: datetime) -> str:
    """Say why the serving certificate is to be issued anew; empty when it is not."""
    from cryptography import x509

    try:
        certificate = _load_certificate("tls.crt", material.cert_pem)
        key = _load_key("tls.key", material.key.value)
        certificate.verify_directly_issued_by(authority)
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except Exception as error:  # whatever a foreign certificate raises, the answer is a new one
        return f"the serving certificate is not usable: {type(error).__name__}"
    if not _is_pair(certificate, key):
        return "tls.key is not the key of tls.crt"
    missing = names - set(extension.value.get_values_for_type(x509.DNSName))
    if missing:
        return f"the serving certificate lacks {', '.join(sorted(missing))}"
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    is_late = now >= begin + (end - begin) * 2 / 3
    if is_late and end < authority.not_valid_after_utc:  # one that ends with its authority cannot be had longer
        return f"the serving certificate ends on {_day(certificate)}"
    return ""


def _load_certificate(key: str, pem: str) -> "x509.Certificate":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise InvalidObject(
            f"Secret d8-system/{NAME}: {key} is not a PEM certificate; restore it from a backup"
        ) from error


def _load_key(key: str, pem: str) -> "PrivateKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidObject(
            f"Secret d8-system/{NAME}: {key} is not a PEM private key; restore it from a backup"
        ) from error


def _is_pair(certificate: "x509.Certificate", key: "PrivateKeyTypes") -> bool:
    return certificate.public_key() == key.public_key()


def _day(certificate: "x509.Certificate") -> str:
    return certificate.not_valid_after_utc.astimezone(UTC).strftime("%Y-%m-%d")
