# SPDX-License-Identifier: Apache-2.0
"""Time travel: nodes that knew a later plan than the cluster does, because etcd was restored from a snapshot."""

from collections.abc import Sequence
from dataclasses import replace

from d8registry.model.cluster import Node, WitnessResult
from d8registry.model.settings import Mode
from d8registry.model.state import State
from d8registry.switching.guards import name_some
from d8registry.switching.outcome import Waiting

# Nodes do not tell how far they had come; no lost stretch of a cluster's life has this many changes of the plan.
LEAP = 1000


def follow_restored(state: State, nodes: Sequence[Node], fresh_epoch: str) -> State:
    """Draw a new epoch above what a node knows; end the wait once every reachable node has answered to it."""
    present = f"{state.counter}.{state.epoch}."
    is_met = any(
        _is_restored(node) and node.witness is not None and node.witness.token.startswith(present) for node in nodes
    )
    if is_met:
        owns = state.owns_real_host or (state.current.mode is Mode.UNMANAGED and any(map(_may_read_folders, nodes)))
        return replace(state, counter=state.counter + LEAP, epoch=fresh_epoch, is_travelled=True, owns_real_host=owns)
    if state.is_travelled and not _list_unanswered(state, nodes):
        return replace(state, is_travelled=False)
    return state


def find_travel(state: State, nodes: Sequence[Node]) -> Waiting | None:
    """Say what is waited for while no witness counts; None in ordinary times."""
    if not state.is_travelled:
        return None
    missing = _list_unanswered(state, nodes)
    message = "the cluster's state is older than what nodes had: it was restored from a backup. Nothing is changed "
    message += f"before every reachable node has answered anew; waiting for {name_some(missing)}"
    return Waiting(reason="StateRestored", message=message, progress=f"{len(nodes) - len(missing)} nodes")


def _list_unanswered(state: State, nodes: Sequence[Node]) -> list[str]:
    return [
        node.name
        for node in nodes
        if node.witness is None or _is_restored(node) or f".{state.epoch}." not in node.witness.token
    ]


def _may_read_folders(node: Node) -> bool:
    """Tell whether a node may pull by folders of ours, which an empty plan would take away.

    Every node counts, also one that has not said anew that it knew a later plan: it would not say so any more once the
    plan of the new epoch is there.
    """
    return node.witness is None or node.witness.config_path


def _is_restored(node: Node) -> bool:
    return node.witness is not None and node.witness.result is WitnessResult.RESTORED
