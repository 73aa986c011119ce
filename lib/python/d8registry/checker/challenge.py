# SPDX-License-Identifier: Apache-2.0
"""Read WWW-Authenticate challenges (RFC 9110 section 11, the distribution token specification)."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_PAIR = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a registry wants: scheme in lower case (`basic`, `bearer`), and a bearer's realm, service and scope."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read the challenges of one header, in order; what is neither Basic nor Bearer is left out."""
    starts = list(re.finditer(r"(?:^|,)\s*(Basic|Bearer)(?=\s|,|$)", header, re.IGNORECASE))
    ends = [*(start.start() for start in starts[1:]), len(header)]
    challenges = []
    for start, end in zip(starts, ends, strict=False):  # without a challenge there is one end too many
        pairs = {
            match[1].lower(): match[3] if match[3] is not None else re.sub(r"\\(.)", r"\1", match[2])
            for match in _PAIR.finditer(header, start.end(), end)
        }
        challenges.append(
            Challenge(
                scheme=start[1].lower(),
                realm=pairs.get("realm", ""),
                service=pairs.get("service", ""),
                scope=pairs.get("scope", ""),
            )
        )
    return tuple(challenges)


def is_own_realm(realm: str, registry_host: str, *, https: bool) -> bool:
    """Tell whether credentials of a registry (`host[:port]`) may be sent to a token server at `realm`.

    Its host must be the registry's, or belong to the domain that the registry's name lies in; never over http when
    the registry speaks https.
    """
    url = urlsplit(realm)
    own, other = urlsplit(f"//{registry_host}").hostname or "", url.hostname or ""
    if url.scheme != "https" and (https or url.scheme != "http"):
        return False
    if other == own:
        return bool(own)
    domain = _find_domain(own)
    return bool(domain) and (other == domain or other.endswith("." + domain))


def _find_domain(host: str) -> str:
    """Name the domain that `host` shares with its neighbours; empty for addresses and single words.

    There is no list of public suffixes here: a parent of one word, or of two as short as `co.uk`, is taken for one.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.split(".")
    else:
        return ""
    if len(labels) < 2:
        return ""
    parent = labels[1:]
    if len(parent) == 1 or (len(parent) == 2 and len(parent[0]) <= 3 and len(parent[1]) == 2):
        return host
    return ".".join(parent)
