# SPDX-License-Identifier: Apache-2.0
"""Secret registry-pki: the module's authority and the serving certificate, as PEM text."""

from collections.abc import Mapping
from dataclasses import dataclass

from d8registry.errors import InvalidObject
from d8registry.model.secret import Secret

NAME = "registry-pki"
CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority: PEM of its certificate and of its private key (PKCS #8)."""

    pem: str
    key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The module's authority, and the certificate that the fixed address is served with."""

    ca_pem: str
    ca_key: Secret
    cert_pem: str
    key: Secret

    @property
    def authority(self) -> Authority:
        """The part that signs."""
        return Authority(pem=self.ca_pem, key=self.ca_key)


def parse_material(data: Mapping[str, str]) -> Material:
    """Read the decoded data of Secret registry-pki; a missing or empty key raises InvalidObject naming it."""
    missing = [key for key in (CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY) if not data.get(key, "").strip()]
    if missing:
        raise InvalidObject(
            f"Secret d8-system/{NAME}: {', '.join(missing)} missing or empty; restore it from a backup: while the "
            "fixed address is in use, a new authority would not be trusted by what pulls"
        )
    return Material(
        ca_pem=data[CA_CERTIFICATE],
        ca_key=Secret(data[CA_KEY]),
        cert_pem=data[CERTIFICATE],
        key=Secret(data[KEY]),
    )


def render_material(material: Material) -> dict[str, str]:
    """Build the data (text) of Secret registry-pki."""
    return {
        CA_CERTIFICATE: material.ca_pem,
        CA_KEY: material.ca_key.value,
        CERTIFICATE: material.cert_pem,
        KEY: material.key.value,
    }


def build_names(cluster_domain: str) -> tuple[str, ...]:
    """Build the DNS names of the serving certificate: the fixed address, its full name, and localhost."""
    return ("registry.d8-system.svc", f"registry.d8-system.svc.{cluster_domain.strip('.')}", "localhost")
