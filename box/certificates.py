# SPDX-License-Identifier: Apache-2.0
"""The cluster's own CA and the certificates of its parts."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from box.errors import BoxError

_LIFE = datetime.timedelta(days=30)
_AGE = datetime.timedelta(days=30)
"""As in a cluster that was installed a month ago: a node whose clock is behind by days still reaches its API server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """Paths of a certificate and of its key."""

    certificate: Path
    key: Path


def write_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Write a new private key with mode 0600 and return it."""
    key = ec.generate_private_key(ec.SECP256R1())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return key


def write_public_key(key: ec.EllipticCurvePrivateKey, path: Path) -> None:
    """Write the public half of a key as PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))


class Authority:
    """A CA that lives in one folder as `ca.crt` and `ca.key`; each issued pair lies beside it."""

    def __init__(self, folder: Path) -> None:
        """Open the CA of a folder."""
        self._folder = folder
        self.path = folder / "ca.crt"
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise BoxError(f"{folder}/ca.key is of another kind than `create` makes")
        self._key = key
        self._certificate = x509.load_pem_x509_certificate(self.path.read_bytes())

    @classmethod
    def create(cls, folder: Path, name: str) -> "Authority":
        """Make a new CA in a folder."""
        key = write_key(folder / "ca.key")
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            _builder(subject, subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder)

    def issue(self, file: str, name: str, organisation: str = "", hosts: Sequence[str] = ()) -> KeyPair:
        """Issue a certificate for client use, and for server use as well when `hosts` (names, addresses) are given."""
        pair = KeyPair(certificate=self._folder / f"{file}.crt", key=self._folder / f"{file}.key")
        key = write_key(pair.key)
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if organisation:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        issuer_key = self._key.public_key()
        builder = (
            _builder(x509.Name(attributes), self._certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_alternative(h) for h in hosts]), critical=False
            )
        signed = builder.sign(self._key, hashes.SHA256())
        pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return pair


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _AGE)
        .not_valid_after(now + _LIFE)
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
