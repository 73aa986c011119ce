# SPDX-License-Identifier: Apache-2.0
"""The machines of the cluster, as the run folder lists them: those of the start, and what came and went since.

A name says the group and the place in it (`worker-3`); the place gives the address, so a node that is removed and
added again is the same machine to everybody else.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from box.errors import BoxError, suggest
from box.layout import RUN, Containerd, Group, Node

_FILE = RUN / "inventory.json"
_FIRST = {Group.MASTER: 10, Group.WORKER: 20}
_MOST = {Group.MASTER: 10, Group.WORKER: 60}
_NAME = re.compile(r"(master|worker)-(0|[1-9][0-9]?)")


def build_node(name: str, containerd: Containerd = Containerd.V2) -> Node:
    """Build the node of that name; raises BoxError for a name that says no group and place."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise BoxError(f"{name} names no node; names are master-N and worker-N, for example worker-2")
    group, place = Group(match[1]), int(match[2])
    if place >= _MOST[group]:
        raise BoxError(
            f"{name}: the box has addresses for {_MOST[group]} nodes of group {group}, the first is {group}-0"
        )
    return Node(name=name, group=group, number=_FIRST[group] + place, containerd=containerd)


def plan_nodes(masters: int, workers: int, old_containerd: Iterable[str] = ()) -> tuple[Node, ...]:
    """Plan a cluster; `old_containerd` names the nodes with containerd 1.7. Raises BoxError where it cannot be."""
    if masters < 1:
        raise BoxError(f"{masters} masters: a cluster needs at least one")
    names = [f"{Group.MASTER}-{place}" for place in range(masters)]
    names += [f"{Group.WORKER}-{place}" for place in range(max(0, workers))]
    old = set(old_containerd)
    if unknown := sorted(old - set(names)):
        raise BoxError(f"{', '.join(unknown)} would have containerd 1.7, but the nodes are {', '.join(names)}")
    return tuple(build_node(name, Containerd.V1 if name in old else Containerd.V2) for name in names)


def write_nodes(nodes: Sequence[Node]) -> None:
    """Write the inventory; the run folder must be there."""
    ordered = sorted(nodes, key=lambda node: node.number)
    temporary = _FILE.with_suffix(".tmp")
    temporary.write_text(json.dumps([asdict(node) for node in ordered], indent=1) + "\n", encoding="utf-8")
    temporary.rename(_FILE)


def read_nodes() -> tuple[Node, ...]:
    """Return every machine of the cluster, masters first; none while no box was started."""
    try:
        listed = json.loads(_FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    return tuple(
        Node(
            name=each["name"],
            group=Group(each["group"]),
            number=each["number"],
            containerd=Containerd(each["containerd"]),
        )
        for each in listed
    )


def get_node(name: str) -> Node:
    """Return a machine by name; raises BoxError with the names that there are."""
    nodes = {node.name: node for node in read_nodes()}
    if name in nodes:
        return nodes[name]
    if not nodes:
        raise BoxError(f"there is no node {name}: no box is up; start one: python -m box up")
    raise BoxError(f"there is no node {name}{suggest(name, nodes)}")
