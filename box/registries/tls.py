# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for one registry of the box, and server certificates: good, foreign, expired, too early."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)
_SKEW = datetime.timedelta(hours=1)


class Certificate(StrEnum):
    """Which certificate a registry shows."""

    GOOD = "good"
    FOREIGN = "foreign"  # right name, signed by somebody else
    EXPIRED = "expired"
    EARLY = "early"  # not valid yet: what a client with a slow clock sees


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """PEM bytes: the CA, the server's certificate and its key."""

    ca: bytes
    certificate: bytes
    key: bytes = field(repr=False)


class Authority:
    """A CA in memory that signs for one registry."""

    def __init__(self, title: str, now: datetime.datetime) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
        self._certificate = (
            _builder(self._name, self._name, self._key.public_key(), now - 30 * _DAY, now + 365 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """The CA's certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self, hosts: Sequence[str], addresses: Sequence[str], begin: datetime.datetime, end: datetime.datetime
    ) -> ServerCertificate:
        """Return a server certificate for names (the first one is its subject) and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names.extend(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        certificate = (
            _builder(subject, self._name, key.public_key(), begin, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return ServerCertificate(
            ca=self.pem,
            certificate=certificate.public_bytes(serialization.Encoding.PEM),
            key=key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )


def issue_server_certificate(host: str, addresses: Sequence[str]) -> ServerCertificate:
    """Return a certificate for a name and addresses, signed by a CA made for it."""
    now = datetime.datetime.now(datetime.UTC)
    return Authority(f"box CA of {host}", now).issue([host], addresses, now - _SKEW, now + 365 * _DAY)


def issue_all(
    hosts: Sequence[str], addresses: Sequence[str], now: datetime.datetime
) -> dict[Certificate, ServerCertificate]:
    """Return the certificates of a registry, all but the foreign one signed by the same CA."""
    own, foreign = Authority(f"box CA of {hosts[0]}", now), Authority(f"somebody else's CA for {hosts[0]}", now)
    return {
        Certificate.GOOD: own.issue(hosts, addresses, now - _SKEW, now + 365 * _DAY),
        Certificate.FOREIGN: foreign.issue(hosts, addresses, now - _SKEW, now + 365 * _DAY),
        Certificate.EXPIRED: own.issue(hosts, addresses, now - 10 * _DAY, now - _DAY),
        Certificate.EARLY: own.issue(hosts, addresses, now + _DAY, now + 365 * _DAY),
    }


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begin: datetime.datetime,
    end: datetime.datetime,
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


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
