# SPDX-License-Identifier: Apache-2.0
"""The box's network: namespaces joined by one bridge that itself lies in a namespace of the box.

Nothing is added to the machine's own network, neither link nor route nor forwarding, so clean-up is the deletion of
the namespaces.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from box.errors import BoxError
from box.layout import (
    BRIDGE_ADDRESS,
    CORE,
    PREFIX,
    SERVICE_API_ADDRESS,
    Node,
)

NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000


def run_ip(namespace: str, script: str) -> None:
    """Run lines of the `ip` command inside a namespace; raises BoxError with what it says."""
    done = subprocess.run(
        ["ip", "-n", namespace, "-batch", "-"], input=script, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BoxError(f"network namespace {namespace}: {done.stderr.strip()}")


def create_network() -> None:
    """Create the core namespace with the bridge 10.111.0.1/24."""
    _create_namespace(CORE)
    run_ip(
        CORE,
        f"""link set lo up
link add br0 address {derive_mac(BRIDGE_ADDRESS)} type bridge
address add {BRIDGE_ADDRESS}/24 dev br0
address add {SERVICE_API_ADDRESS}/32 dev lo
link set br0 up
""",
    )
    _forward(CORE)


def derive_mac(address: str) -> str:
    """Return the hardware address that belongs to an IPv4 address for good.

    A bridge left to itself takes another one when a leg comes or goes, and a machine that comes back has another one:
    packets to those that neighbours remember are lost for seconds.
    """
    return ":".join(["02", "d8", *(f"{int(part):02x}" for part in address.split("."))])


def connect(namespace: str, address: str) -> None:
    """Create a namespace with one leg, `eth0`, on the bridge; all other traffic goes by the bridge's address."""
    _create_namespace(namespace)
    leg = _name_leg(namespace)
    run_ip(CORE, f"link add {leg} type veth peer name eth0 netns {namespace}\nlink set {leg} master br0 up\n")
    run_ip(
        namespace,
        f"""link set lo up
link set eth0 address {derive_mac(address)}
address add {address}/24 dev eth0
link set eth0 up
route add default via {BRIDGE_ADDRESS}
""",
    )


def connect_node(node: Node) -> None:
    """Create a node's namespace; pods of other nodes are reached by the bridge's address, which knows every node."""
    connect(node.namespace, node.address)
    _forward(node.namespace)
    run_ip(CORE, f"route add {node.pod_range} via {node.address}\n")


def disconnect_node(node: Node) -> None:
    """Delete a node's namespace and the way to its pods; what is not there is no error."""
    subprocess.run(["ip", "-n", CORE, "route", "del", node.pod_range], capture_output=True, check=False)
    delete_namespace(node.namespace)


def set_link(namespace: str, *, up: bool) -> None:
    """Plug a namespace's leg in or out. Out, packets to it are lost without an answer, as with a dead machine."""
    run_ip(CORE, f"link set {_name_leg(namespace)} {'up' if up else 'down'}\n")


def list_namespaces() -> list[str]:
    """Return the network namespaces of the box that there are."""
    return sorted(path.name for path in NAMESPACES.glob(f"{PREFIX}*"))


def delete_namespaces() -> None:
    """Delete every network namespace of the box, with all links in it; `/run/netns` too when nobody else uses it."""
    for name in list_namespaces():
        delete_namespace(name)
    if NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        subprocess.run(["umount", "--lazy", NAMESPACES], capture_output=True, check=False)
        NAMESPACES.rmdir()


def delete_namespace(name: str) -> None:
    """Delete one network namespace; one that is not there is no error."""
    # A name without a namespace is left when `ip netns add` was killed half way.
    subprocess.run(["umount", "--lazy", NAMESPACES / name], capture_output=True, check=False)
    (NAMESPACES / name).unlink(missing_ok=True)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Put the calling thread into a namespace for the block: sockets made there belong to it."""
    library = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        target = os.open(NAMESPACES / namespace, os.O_RDONLY)
        try:
            _enter(library, target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _enter(library, before)
    except FileNotFoundError as error:
        raise BoxError(f"there is no network namespace {namespace}; start the box: python -m box up") from error
    finally:
        os.close(before)


def _enter(library: ctypes.CDLL, descriptor: int) -> None:
    if library.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise BoxError(f"entering a network namespace: {os.strerror(number)}; the box needs root")


def _create_namespace(name: str) -> None:
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BoxError(f"creating network namespace {name}: {done.stderr.strip()}; the box needs root and iproute2")


def _name_leg(namespace: str) -> str:
    return namespace.removeprefix(PREFIX)[:15]


def _forward(namespace: str) -> None:
    # /proc/sys/net shows the namespace of whoever opens it.
    with inside(namespace):
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
        # Pods of two nodes talk through the bridge's address; a redirect would teach a node a way past it.
        for redirects in Path("/proc/sys/net/ipv4/conf").glob("*/send_redirects"):
            redirects.write_text("0", encoding="ascii")
