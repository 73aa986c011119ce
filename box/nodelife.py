# SPDX-License-Identifier: Apache-2.0
"""Life of a node from outside: made, started, cut off as by a power cut, started again, removed.

`down` is sudden: every process is killed and the network leg is plugged out, so that others see silence and not a
refusal. What the node has on its disk stays, what was in its memory (`/run`, `/tmp`, pods) does not.
"""

import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from box import api, cgroups, controlplane, network, node, nodeclock, nodedisk, process
from box.build import Tools
from box.certificates import Authority
from box.errors import BoxError
from box.inventory import build_node, get_node, read_nodes, write_nodes
from box.layout import PKI, Containerd, Node
from box.process import Record
from box.state import read_state

_READY_SECONDS = 90.0
_NEVER = datetime.min.replace(tzinfo=UTC)


def create_node(each: Node, tools: Tools, containerd: Path, authority: Authority) -> None:
    """Give a new node its network and its disk; nothing of it runs yet. `containerd` is that of generation 2."""
    network.connect_node(each)
    old = each.containerd is Containerd.V1
    nodedisk.create_disk(each, tools, tools.containerd17 if old else containerd, authority)


def start_nodes(nodes: Sequence[Node], containerd: Path) -> None:
    """Boot nodes from their disks; bashible does the rest."""
    for each in nodes:
        node.start_node(each, [containerd])


def await_ready(nodes: Sequence[Node], seconds: float = _READY_SECONDS) -> None:
    """Wait until every one of these Nodes is Ready; raises BoxError naming those that are not and where to look."""
    records = [node.find_init(each) for each in nodes]
    missing: list[str] = []

    def are_ready() -> bool:
        ready = api.fetch_nodes()
        missing[:] = [each.name for each in nodes if not ready.get(each.name)]
        return not missing

    try:
        controlplane.wait_for("Nodes", seconds, are_ready, *records)
    except BoxError as error:
        look = f"python -m box exec {missing[0]} -- journalctl -u bashible -u kubelet" if missing else ""
        raise BoxError(f"not Ready: {', '.join(missing)}; look: {look}\n{error}") from error


def add_node(name: str, tools: Tools, containerd: Path, generation: Containerd = Containerd.V2) -> Node:
    """Have a new machine join the cluster and wait until it is Ready; raises BoxError when it is there already."""
    made = build_node(name, generation)
    nodes = read_nodes()
    if any(each.name == name for each in nodes):
        raise BoxError(f"node {name} is there already; remove it first: python -m box node remove {name}")
    write_nodes([*nodes, made])
    create_node(made, tools, containerd, Authority(PKI))
    start_nodes([made], containerd)
    await_ready([made])
    return made


def remove_node(name: str) -> None:
    """Take a machine away for good, as an administrator does: its processes, its Node object, its disk."""
    gone = get_node(name)
    if gone.number == min(each.number for each in read_nodes()):
        raise BoxError(f"node {name} is the first master, which the box needs; remove another one")
    _kill(gone)
    api.delete(f"/api/v1/nodes/{name}")
    network.disconnect_node(gone)
    cgroups.remove_group(gone.namespace)
    nodedisk.delete_disk(gone)
    write_nodes([each for each in read_nodes() if each.name != name])


def cut_power(name: str) -> None:
    """Cut a node's power: nothing of it runs or answers any more. One that is down already is no error."""
    gone = get_node(name)
    network.set_link(gone.namespace, up=False)
    _kill(gone)
    # A machine boots with none; a kubelet waits three seconds for each one whose container it does not find.
    cgroups.remove_group(gone.namespace)


def restore_power(name: str) -> None:
    """Boot a node that is down, its clock right; returns when its Node is Ready again."""
    back = get_node(name)
    if node.is_running(back):
        raise BoxError(f"node {name} runs already; python -m box node reboot {name} starts it anew")
    nodeclock.reset_clock(back)
    network.set_link(back.namespace, up=True)
    started = datetime.now(UTC).replace(microsecond=0)
    found = read_state()
    record = node.start_node(back, [Path(found.containerd)] if found else [])
    # A Node stays Ready for a while after its machine died: only what it has said since its boot counts.
    controlplane.wait_for(
        f"Node {name}", _READY_SECONDS, lambda: (api.fetch_ready_since(name) or _NEVER) >= started, record
    )


def reboot(name: str) -> None:
    """Cut a node's power and boot it again; returns when its Node is Ready again."""
    cut_power(name)
    restore_power(name)


def _kill(gone: Node) -> None:
    """End a node's first process, and with it every other one; returns when none is left."""
    for record in _find_records(gone):
        process.send(record, signal.SIGKILL)
    until = time.monotonic() + 10
    while left := [record for record in _find_records(gone) if process.is_alive(record)]:
        if time.monotonic() > until:
            raise BoxError(
                f"node {gone.name}: process {left[0].pid} does not end after SIGKILL; see `ps -o pid,stat,cmd`"
            )
        time.sleep(0.05)
    for record in _find_records(gone):
        process.forget(record.name)


def _find_records(gone: Node) -> list[Record]:
    return [record for record in process.read_records() if record.name in {gone.name, f"{gone.name}-unshare"}]
