# SPDX-License-Identifier: Apache-2.0
"""Issue the module's authority and serving certificate: the only place that makes keys (ECDSA P-256)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from d8registry.errors import InvalidObject
from d8registry.model.secret import Secret
from d8registry.pki.material import Authority, Material
from d8registry.pki.renewal import AUTHORITY_LIFE, BACKDATED, CERTIFICATE_LIFE, Issue, RenewalPlan

COMMON_NAME = "Deckhouse registry module"


def issue_material(plan: RenewalPlan, material: Material | None, names: Sequence[str], now: datetime) -> Material:
    """Carry out a renewal plan; the authority, and what is to follow it, are kept unless the plan says everything.

    Raises InvalidObject when the plan keeps material that is not there.
    """
    if material is not None and plan.issue is Issue.CERTIFICATE:
        pem, key = issue_certificate(material.authority, names, now)
        return replace(material, cert_pem=pem, key=key)
    if plan.issue is Issue.EVERYTHING:
        return issue_first(names, now)
    if material is None:
        raise InvalidObject("Secret d8-system/registry-pki is gone: plan the renewal again")
    return material


def issue_first(names: Sequence[str], now: datetime) -> Material:
    """Make an authority and a serving certificate of it."""
    authority = issue_authority(now)
    pem, key = issue_certificate(authority, names, now)
    return Material(ca_pem=authority.pem, ca_key=authority.key, cert_pem=pem, key=key)


def issue_successor(material: Material, names: Sequence[str], now: datetime) -> Material:
    """Make what is to follow the authority in a rotation."""
    return replace(material, successor=issue_first(names, now))


def issue_authority(now: datetime, common_name: str = COMMON_NAME) -> Authority:
    """Make a self-signed authority for ten years; its subject tells it from its predecessors."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{common_name} {now:%Y%m%d%H%M%S}")])
    usage = _build_usage(signs=True)
    certificate = (
        _start(subject, subject, key.public_key(), now - BACKDATED, now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(pem=_dump(certificate), key=_dump_key(key))


def issue_certificate(authority: Authority, names: Sequence[str], now: datetime) -> tuple[str, Secret]:
    """Make a serving certificate for a year, or to the authority's own end: (PEM, PEM of its key).

    `names` are DNS names, the first becomes the common name.
    """
    issuer = x509.load_pem_x509_certificate(authority.pem.encode())
    signer = load_pem_private_key(authority.key.value.encode(), password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise InvalidObject("Secret d8-system/registry-pki: ca.key is not an ECDSA key; restore it from a backup")
    key = ec.generate_private_key(ec.SECP256R1())
    end = min(now + CERTIFICATE_LIFE, issuer.not_valid_after_utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        _start(subject, issuer.subject, key.public_key(), now - BACKDATED, end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_build_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return _dump(certificate), _dump_key(key)


def _start(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _build_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _dump(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _dump_key(key: ec.EllipticCurvePrivateKey) -> Secret:
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
