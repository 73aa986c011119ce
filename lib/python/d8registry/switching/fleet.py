# SPDX-License-Identifier: Apache-2.0
"""How far the nodes are: whose witness counts, whose is missing, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from d8registry.model.cluster import Node, WitnessResult
from d8registry.model.state import State
from d8registry.nodes.plan import NodePlan, expected_token
from d8registry.switching.guards import name_some
from d8registry.switching.outcome import Done, Outcome, Waiting


def list_counted(nodes: Iterable[Node], now: datetime, grace: int) -> tuple[Node, ...]:
    """List the nodes that a step waits for: all but the lagging ones.

    Lagging is a worker that is not Ready for longer than `grace` seconds, or any node annotated as away.
    """
    return tuple(node for node in nodes if not is_lagging(node, now, grace))


def is_lagging(node: Node, now: datetime, grace: int) -> bool:
    """Tell whether a switch goes on without this node; it catches up when it is back."""
    if node.away:
        return True
    if node.ready or node.is_master or node.unready_since is None:
        return False
    return (now - node.unready_since).total_seconds() > grace


def confirm_prepared(counted: Iterable[Node], everybody: Iterable[Node]) -> Outcome:
    """Confirm that every node's running containerd reads registry.d; `everybody` explains what may hold a group."""
    nodes = tuple(counted)
    missing = [node.name for node in nodes if node.witness is None]
    off = [node for node in nodes if node.witness is not None and not node.witness.config_path]
    done = len(nodes) - len(missing) - len(off)
    if not missing and not off:
        return Done(message=f"containerd of all {len(nodes)} nodes reads /etc/containerd/registry.d")
    parts = []
    if missing:
        parts.append(f"no report from {name_some(missing)} yet (registry-node there: journalctl -u registry-node)")
    if off:
        names = name_some([node.name for node in off])
        parts.append(f"containerd of {names} runs without config_path (bashible steps 030 and 032 turn it on)")
        parts += _explain_approvals({node.group for node in off}, everybody)
    message = f"{done} of {len(nodes)} nodes are ready; {'; '.join(parts)}"
    return Waiting(reason="WaitingForNodes", message=message, progress=f"{done}/{len(nodes)}")


def _explain_approvals(groups: Iterable[str], everybody: Iterable[Node]) -> list[str]:
    """Name the dead nodes that keep bashible from approving changes in their group."""
    nodes = tuple(everybody)
    dead = {group: [node.name for node in nodes if node.group == group and not node.ready] for group in sorted(groups)}
    return [
        f"NodeGroup {group} approves no change while {name_some(names)} is not Ready: repair it or remove it from the "
        "cluster"
        for group, names in dead.items()
        if names
    ]


def drop_caught_up(state: State, nodes: Iterable[Node], plan: NodePlan) -> State:
    """Forget the lagging nodes that have answered to the plan of the moment, or are gone."""
    if not state.leftovers:
        return state
    seen = {node.name: node for node in nodes}
    kept = tuple(name for name in state.leftovers if not _has_caught_up(name, seen, plan))
    return state if kept == state.leftovers else replace(state, leftovers=kept)


def _has_caught_up(name: str, seen: Mapping[str, Node], plan: NodePlan) -> bool:
    kind, _, node_name = name.partition(" ")
    if kind != "Node":
        return False
    node = seen.get(node_name)
    if node is None or node.witness is None:
        return node is None
    is_current = node.witness.token == expected_token(plan, node_name)
    return is_current and node.witness.result is WitnessResult.APPLIED


def confirm_layout(nodes: Iterable[Node], plan: NodePlan, what: str) -> Outcome:
    """Confirm that each of `nodes` has answered to the token it is to have; `what` completes "N of M nodes …"."""
    nodes = tuple(nodes)
    applied, failing, pending = [], [], []
    for node in nodes:
        witness, token = node.witness, expected_token(plan, node.name)
        if witness is not None and witness.result is WitnessResult.RESTORED:
            failing.append(f"{node.name} (restored: it had a newer plan than the cluster has now)")
        elif witness is None or witness.token != token:
            pending.append(node.name)
        elif witness.result is WitnessResult.APPLIED:
            applied.append(node.name)
        else:
            failing.append(f"{node.name} ({witness.failure.value or 'other'}: {witness.message})")
    if len(applied) == len(nodes):
        return Done(message=f"{len(nodes)} of {len(nodes)} nodes {what}")
    parts = [f"{len(applied)} of {len(nodes)} nodes {what}"]
    if failing:
        parts.append(f"failing: {name_some(failing)}")
    if pending:
        parts.append(f"waiting for {name_some(pending)}")
    reason = "NodesFailing" if failing else "WaitingForNodes"
    return Waiting(reason=reason, message="; ".join(parts), progress=f"{len(applied)}/{len(nodes)}")
