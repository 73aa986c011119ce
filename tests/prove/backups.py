# SPDX-License-Identifier: Apache-2.0
"""Copies of etcd, by a name that a world remembers."""

from __future__ import annotations

from tests.prove.operator import restart
from tests.prove.store import Doc, Key, World

_SAVED: dict[str, World] = {}
# What is not in etcd: disks, registries, and how much has gone wrong so far.
_MADE = ("Deployment", "PodDisruptionBudget", "Service", "ServiceAccount", "~Proxy")
_OUTSIDE = ("~Disk", "~Health", "~Budget", "~Backup")


def save(name: str, world: World) -> None:
    """Keep a copy."""
    _SAVED[name] = world


def recall(world: World) -> World:
    """What the API held when the copy was saved."""
    return _SAVED[world.need("~Backup", "backup").body["copy"]]


def restore(world: World) -> World:
    """Put the copy in place of what the API holds now; nodes and registries are as they are."""
    saved = recall(world)
    kinds = ({key[0] for key in saved.docs} | set(_MADE)) - set(_OUTSIDE)
    changes: dict[Key, Doc | None] = {doc.key: None for kind in sorted(kinds) for doc in world.kind(kind)}
    changes |= {key: doc for key, doc in saved.docs.items() if key[0] in kinds}
    return restart(world.with_changes(changes, world.clock()))
