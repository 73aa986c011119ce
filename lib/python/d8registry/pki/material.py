# SPDX-License-Identifier: Apache-2.0
"""Secret registry-pki: the module's authority and the serving certificate, as PEM text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from d8registry.errors import InvalidObject
from d8registry.model.secret import Secret

NAME = "registry-pki"
CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"
NEXT = "next-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority: PEM of its certificate and of its private key (PKCS #8)."""

    pem: str
    key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The module's authority, and the certificate that the fixed address is served with.

    `ca_key` is empty where the authority's key is lost: what trusts the authority still does, and nothing can be issued
    by it. `successor` is what follows in a rotation, under way or about to be.
    """

    ca_pem: str
    ca_key: Secret
    cert_pem: str
    key: Secret
    successor: "Material | None" = None

    @property
    def authority(self) -> Authority:
        """The part that signs."""
        return Authority(pem=self.ca_pem, key=self.ca_key)


def find_material(
    pki: Mapping[str, str], served: Mapping[str, str], trusted: str, *, is_moved: bool = False
) -> Material | None:
    """Find the material in use; None where nothing is in use and a new authority does no harm.

    `pki` and `served` are the decoded data of Secrets registry-pki and registry-incluster-proxy-tls, empty where they
    are missing; `trusted` is what the platform trusts at the fixed address, empty while it pulls from elsewhere;
    `is_moved`: a rotation has come so far that the successor serves. A registry-pki that is lost, broken or replaced
    leaves what is served, which pods of the proxy may have loaded: its authority stays trusted, or will be, without its
    key, and so does the one before it. Raises InvalidObject where nothing that is left is trusted.
    """
    kept = _parse_keyless(served)
    own = _parse_part(pki, "", _AUTHORITY)
    if own is not None:
        own = replace(own, successor=_find_successor(own, pki, kept, is_moved))
        known = (own.ca_pem, own.successor.ca_pem if own.successor else own.ca_pem)
        if not trusted or any(pem.strip() in trusted for pem in known):
            return own
    in_use = trusted or served.get(CA_CERTIFICATE, "")
    # What registry-pki remembers of the authority comes first: in a rotation what is served may be the successor's
    # already, and pods of the proxy that have not reloaded still serve by the one before.
    rest = _parse_keyless(pki)
    if rest is not None and rest.ca_pem.strip() in in_use:
        return replace(rest, successor=_find_successor(rest, pki, kept, is_moved))
    if kept is not None and kept.ca_pem.strip() in in_use:
        before = trusted.replace(kept.ca_pem.strip(), "").strip()
        if is_moved and before:
            return Material(ca_pem=f"{before}\n", ca_key=Secret(""), cert_pem="", key=Secret(""), successor=kept)
        return replace(kept, successor=_find_successor(kept, pki, kept, is_moved))
    if own is not None or not trusted:
        return own
    raise InvalidObject(
        f"Secret d8-system/{NAME} lacks {CA_CERTIFICATE} or {CA_KEY}, and the proxy's certificate is not one that the "
        f"platform trusts; restore Secret {NAME} from a backup: a new authority would not be trusted by what pulls"
    )


def _find_successor(own: Material, pki: Mapping[str, str], kept: Material | None, is_moved: bool) -> Material | None:
    """Find what follows an authority: by registry-pki, else, once the successor serves, by what is served (`kept`)."""
    told = _parse_part(pki, NEXT, _EVERYTHING)
    if told is not None or not is_moved or kept is None:
        return told
    return kept if kept.ca_pem.strip() != own.ca_pem.strip() else None


_AUTHORITY = (CA_CERTIFICATE, CA_KEY)
_EVERYTHING = (*_AUTHORITY, CERTIFICATE, KEY)


def _parse_part(data: Mapping[str, str], prefix: str, required: Iterable[str]) -> Material | None:
    """Read one authority with its certificate; None where one of the `required` keys is missing or empty."""
    if any(not data.get(prefix + key, "").strip() for key in required):
        return None
    return Material(
        ca_pem=data[prefix + CA_CERTIFICATE],
        ca_key=Secret(data[prefix + CA_KEY]),
        cert_pem=data.get(prefix + CERTIFICATE, ""),
        key=Secret(data.get(prefix + KEY, "")),
    )


def _parse_keyless(data: Mapping[str, str]) -> Material | None:
    """Read an authority with its certificate, whether or not its key is there: it counts as lost."""
    found = _parse_part({**data, CA_KEY: "lost"}, "", _EVERYTHING)
    return replace(found, ca_key=Secret("")) if found is not None else None


def render_material(material: Material) -> dict[str, str]:
    """Build the data (text) of Secret registry-pki."""
    parts = [("", material), *([(NEXT, material.successor)] if material.successor else [])]
    return {
        prefix + key: text
        for prefix, part in parts
        for key, text in (
            (CA_CERTIFICATE, part.ca_pem),
            (CA_KEY, part.ca_key.value),
            (CERTIFICATE, part.cert_pem),
            (KEY, part.key.value),
        )
    }


def build_names(cluster_domain: str) -> tuple[str, ...]:
    """Build the DNS names of the serving certificate: the fixed address, its full name, and localhost."""
    return ("registry.d8-system.svc", f"registry.d8-system.svc.{cluster_domain.strip('.')}", "localhost")
