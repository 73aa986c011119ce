# SPDX-License-Identifier: Apache-2.0
"""Where a transition starts: a cluster at rest, to which the module was led by the transitions before."""

from __future__ import annotations

from functools import cache

from tests.prove.backups import save
from tests.prove.canonical import build_key
from tests.prove.cluster import build_cluster
from tests.prove.moves import list_moves, pass_time
from tests.prove.store import World, hidden
from tests.prove.transitions import TRANSITIONS, Transition, begin, resize


@cache
def build_start(transition: Transition) -> World:
    """The cluster before the edit, with the module at rest."""
    if not transition.after:
        return settle(build_cluster(transition.masters, transition.workers, config_path=transition.config_path))
    before = resize(find_transition(transition.after), transition.masters, transition.workers)
    return settle(begin(build_start(before), before))


def settle(world: World) -> World:
    """Let a world come to rest without faults."""
    for _ in range(1000):
        key = build_key(world)
        moves = [*list_moves(world, (), with_crash=False), pass_time(world)]
        after = next((move.after for move in moves if build_key(move.after) != key), None)
        if after is None:
            return world
        world = after
    raise AssertionError("the cluster does not come to rest")


def find_transition(name: str) -> Transition:
    """Find a transition by its name."""
    return next(item for item in TRANSITIONS if item.name == name)


def ask(transition: Transition) -> World:
    """The cluster right after somebody asked for a transition; a copy of etcd was saved just before."""
    start = build_start(transition)
    name = f"{transition.name} {transition.masters} {transition.workers}"
    save(name, start)
    return begin(start, transition).put(hidden("Backup", "backup", copy=name))
