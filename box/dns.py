# SPDX-License-Identifier: Apache-2.0
"""Cluster DNS on the bridge's address, and one question to it.

Service names are answered below cluster.local only, as in a cluster: `registry.d8-system.svc` has an address for a
pod, whose search path ends in cluster.local, and none for a node, whose resolv.conf has no search path.
"""

import secrets
import socket
import struct
from pathlib import Path

from box.layout import BRIDGE_ADDRESS, CLUSTER_DOMAIN, CORE
from box.network import inside
from box.registries.catalogue import list_names

_COREFILE = """\
{domain}:53 {{
    bind {address}
    errors
    kubernetes {domain} {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
}}
box.test:53 {{
    bind {address}
    errors
    hosts {hosts} box.test {{
        ttl 5
        reload 1s
    }}
}}
.:53 {{
    bind {address}
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def write_corefile(folder: Path, kubeconfig: Path) -> Path:
    """Write CoreDNS's configuration and its table of registries (re-read every second); return the former's path."""
    folder.mkdir(parents=True, exist_ok=True)
    hosts = folder / "hosts"
    hosts.write_text("".join(f"{address} {name}\n" for name, address in list_names().items()), encoding="utf-8")
    corefile = folder / "Corefile"
    content = _COREFILE.format(domain=CLUSTER_DOMAIN, address=BRIDGE_ADDRESS, kubeconfig=kubeconfig, hosts=hosts)
    corefile.write_text(content, encoding="utf-8")
    return corefile


def is_ready() -> bool:
    """Say whether DNS knows the API's service, that is, whether it has read the cluster."""
    return bool(ask(f"kubernetes.default.svc.{CLUSTER_DOMAIN}"))


def ask(name: str) -> list[str]:
    """Return the IPv4 addresses of a name, asked as a node does (no search path); empty when there are none."""
    number = secrets.randbits(16)
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
    with inside(CORE):
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asking:
        asking.settimeout(2)
        try:
            asking.connect((BRIDGE_ADDRESS, 53))
            asking.send(struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + question)
            answer = asking.recv(4096)
        except OSError:
            return []
    return read_addresses(answer, number, 12 + len(question))


def read_addresses(answer: bytes, number: int, offset: int) -> list[str]:
    """Return the IPv4 addresses in a DNS answer to question `number`; the records begin at `offset` (RFC 1035)."""
    identity, flags, _, count = struct.unpack(">4H", answer[:8])
    if identity != number or flags & 0xF:
        return []
    found = []
    for _ in range(count):
        while answer[offset]:  # skip the record's name: labels, or a pointer (two bytes)
            if answer[offset] >= 0xC0:
                offset += 1
                break
            offset += answer[offset] + 1
        kind, _, _, length = struct.unpack(">2HIH", answer[offset + 1 : offset + 11])
        if kind == 1:
            found.append(socket.inet_ntoa(answer[offset + 11 : offset + 15]))
        offset += 11 + length
    return found
