# SPDX-License-Identifier: Apache-2.0
"""The upstream's addresses, and when a change of them is worth a reload of nginx."""

import socket
from collections.abc import Sequence
from pathlib import Path

_MOST = 8
_PATIENCE_SECONDS = 60.0


def fetch_addresses(host: str, port: int) -> tuple[str, ...]:
    """Ask the pod's resolver for a host's addresses, sorted; empty if it has none or does not answer."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except (socket.gaierror, UnicodeError):
        return ()
    # A scoped link-local address (fe80::1%eth0) is no upstream's.
    return tuple(sorted({str(answer[4][0]) for answer in answers if "%" not in str(answer[4][0])}))


def choose_addresses(used: Sequence[str], answer: Sequence[str], unchanged_seconds: float) -> tuple[str, ...]:
    """Return the addresses to use after an answer of the resolver.

    Large registries answer with a few of many addresses, others each time. While one of those in use is still among
    the answers they are all kept for a minute; when none is, the change is taken over at once. No answer changes
    nothing.
    """
    if not answer:
        return tuple(used)
    if used and set(used) & set(answer) and unchanged_seconds < _PATIENCE_SECONDS:
        return tuple(used)
    return tuple(sorted(answer)[:_MOST])


def read_nameservers(path: Path = Path("/etc/resolv.conf")) -> tuple[str, ...]:
    """Return the name servers of resolv.conf in their order, without scoped addresses: nginx does not know those."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    fields = [line.split() for line in lines]
    return tuple(entry[1] for entry in fields if len(entry) >= 2 and entry[0] == "nameserver" and "%" not in entry[1])


def has_ipv6() -> bool:
    """Say whether a socket can listen on IPv6 here."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
