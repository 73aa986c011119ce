# SPDX-License-Identifier: Apache-2.0
"""What happens around the removal of the module's release: the state is marked, and in Unmanaged nodes are left."""

from collections.abc import Callable, Mapping
from typing import Any

from d8registry.adapters.runtime import Outputs, Run
from d8registry.errors import ExchangeFailed, StateUnreadable
from d8registry.kube.operations import NAMESPACE, apply_secret
from d8registry.kube.platform import decode_secret
from d8registry.kube.state import NAME, parse_conditions, parse_state, render_conditions, render_state
from d8registry.model.state import State
from d8registry.switching.leaving import build_leaving_operations, disable, is_leaving
from d8registry.switching.report import build_halted_conditions

FetchSecret = Callable[[str], Mapping[str, Any] | None]


def leave(run: Run, fetch: FetchSecret | None = None) -> Outputs:
    """Mark the state before the release goes; afterwards, if the cluster is left, take the module off its nodes.

    The mark is read again from the API before anything goes: a run of reconcile that was still on its way may have
    begun a switch, and the snapshots of a module that is being removed are not followed any more.
    """
    seen = {entry["metadata"]["name"]: entry for entry in run.snapshots.get("secrets", ())}
    if "beforeDeleteHelm" in run.bindings:
        return _mark(run, seen)
    return _take_off(seen, fetch or fetch_secret)


def _mark(run: Run, seen: Mapping[str, Any]) -> Outputs:
    try:
        state = parse_state(seen.get(NAME))
    except StateUnreadable as error:
        return Outputs(warnings=(f"disabled as it is: {error}",))
    if state is None:
        return Outputs()
    marked = disable(state, run.now)
    conditions = build_halted_conditions(parse_conditions(seen[NAME]), "Disabled", _explain(marked), run.now)
    data = {**decode_secret(seen[NAME]), "state": render_state(marked), "conditions": render_conditions(conditions)}
    operations = apply_secret(NAME, data, seen[NAME], marked.revision, expected=state.revision)
    return Outputs(operations=operations, warnings=(_explain(marked),))


def _take_off(seen: Mapping[str, Any], fetch: FetchSecret) -> Outputs:
    try:
        state = parse_state(fetch(NAME))
    except StateUnreadable as error:
        return Outputs(warnings=(f"disabled as it is: {error}",))
    if state is None or not is_leaving(state):
        return Outputs()
    return Outputs(operations=build_leaving_operations(state, seen))


def _explain(state: State) -> str:
    if is_leaving(state):
        return (
            "the module is disabled in Unmanaged: registry-node removes itself and its files from each node "
            "(its label registry.deckhouse.io/node-state goes last)"
        )
    where = f"switch to {state.switch.candidate.mode} at step {state.switch.step}" if state.switch else "mode Direct"
    return (
        f"the module is disabled in {where}: everything stays as it is and goes on working, nothing is watched or "
        "renewed; enable it again to go on (kubectl patch moduleconfig registry --type merge "
        '-p \'{"spec":{"enabled":true}}\')'
    )


def fetch_secret(name: str) -> Mapping[str, Any] | None:
    """Fetch a Secret of d8-system from the API; None where there is none. Raises ExchangeFailed."""
    from d8registry.adapters.cluster_api import connect_cluster

    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    found = list(connect_cluster().fetch_list(path, fieldSelector=f"metadata.name={name}"))
    if len(found) > 1:
        raise ExchangeFailed(f"GET {path}: {len(found)} Secrets are called {name}")
    return found[0] if found else None
