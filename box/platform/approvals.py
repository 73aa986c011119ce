# SPDX-License-Identifier: Apache-2.0
"""Which node of a group may run its changed steps now. Pure.

The platform lets one node of a group through at a time, and in a group of static nodes only while every node of it is
Ready: one dead node stops the rest. An approval lasts until the node has what its group is to have, also when that
changes again meanwhile.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GROUP_LABEL = "node.deckhouse.io/group"
WAITING = "update.node.deckhouse.io/waiting-for-approval"
APPROVED = "update.node.deckhouse.io/approved"
CONFIGURED = "node.deckhouse.io/configuration-checksum"
"""Annotation of a Node whose bashible has run all of its steps: the checksum of their texts."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Candidate:
    """A node as node-manager sees it."""

    name: str
    group: str
    is_ready: bool
    is_waiting: bool
    is_approved: bool
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """Names of nodes whose approval is given, and of those whose approval is used up."""

    given: tuple[str, ...]
    used: tuple[str, ...]


def decide_approvals(nodes: Iterable[Candidate], checksums: Mapping[str, str]) -> Approvals:
    """Decide one round; `checksums` is what each group is to have."""
    given, used = [], []
    by_group: dict[str, list[Candidate]] = {}
    for node in sorted(nodes):
        by_group.setdefault(node.group, []).append(node)
    for group, members in by_group.items():
        done = [node.name for node in members if node.is_approved and node.checksum == checksums.get(group)]
        used += done
        if any(node.is_approved and node.name not in done for node in members):
            continue
        waiting = [node.name for node in members if node.is_waiting and not node.is_approved]
        if waiting and all(node.is_ready for node in members):
            given.append(waiting[0])
    return Approvals(given=tuple(given), used=tuple(used))


def read_candidate(node: Mapping[str, Any]) -> Candidate:
    """Read a Node."""
    metadata = node["metadata"]
    annotations = metadata.get("annotations") or {}
    conditions = {entry["type"]: entry["status"] for entry in (node.get("status") or {}).get("conditions") or []}
    return Candidate(
        name=metadata["name"],
        group=(metadata.get("labels") or {}).get(GROUP_LABEL, ""),
        is_ready=conditions.get("Ready") == "True",
        is_waiting=WAITING in annotations,
        is_approved=APPROVED in annotations,
        checksum=annotations.get(CONFIGURED, ""),
    )
