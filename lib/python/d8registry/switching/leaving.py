# SPDX-License-Identifier: Apache-2.0
"""The module is disabled, and enabled again: what is remembered of it, and what goes.

Disabled in Direct, or while a switch is under way, means frozen: nothing that pulls depend on is touched. Disabled in
Unmanaged the cluster is left: nodes get a plan that uninstalls, and what node-manager configured them from goes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from d8registry.kube import bashible
from d8registry.kube.operations import Operation, apply_secret, delete_object
from d8registry.model.settings import Mode
from d8registry.model.state import State
from d8registry.nodes.plan import build_uninstall_plan
from d8registry.nodes.wire import render_plan
from d8registry.switching.effects import NODE_PLAN

# The step first, or a reboot would install the program again. The Secrets with the state and the node plan stay, and
# so does the nodes' access to the plan: nodes that are away now are to find it later.
_STEP = ("deckhouse.io/v1alpha1", "NodeGroupConfiguration", "registry-node.sh")
_SECRETS = (bashible.NAME, "registry-questions", "registry-checks", "registry-evidence", "registry-pki")


def disable(state: State, now: datetime) -> State:
    """Note that the module is disabled since `now`; a cluster that is left gets the next node plan."""
    marked = replace(state, disabled=now, revision=state.revision + 1)
    return replace(marked, counter=state.counter + 1) if is_leaving(marked) else marked


def is_leaving(state: State) -> bool:
    """Tell whether the cluster is left for good: disabled in Unmanaged with nothing under way."""
    return state.disabled is not None and state.switch is None and state.current.mode is Mode.UNMANAGED


def enable(state: State, now: datetime, *, manages_hosts: bool) -> State:
    """Go on after the module was disabled; `manages_hosts`: nodes still pull by folders of ours.

    A deadline does not run on while nobody could make progress.
    """
    if state.disabled is None:
        return state
    switch = state.switch
    if switch is not None:
        away = max(now - state.disabled, timedelta())
        switch = replace(switch, progressed=switch.progressed + away)
    enabled = replace(state, disabled=None, switch=switch, revision=state.revision + 1)
    if not is_leaving(state):
        return enabled
    return replace(enabled, owns_real_host=manages_hosts, counter=state.counter + 1)


def build_leaving_operations(state: State, seen: Mapping[str, Any]) -> tuple[Operation, ...]:
    """Build what takes the module off the nodes; `seen` are our Secrets by name."""
    return tuple(_build(state, seen))


def _build(state: State, seen: Mapping[str, Any]) -> Iterable[Operation]:
    version, kind, name = _STEP
    yield delete_object(kind, name, version, namespace="")
    plan = build_uninstall_plan(counter=state.counter, epoch=state.epoch, salt=state.salt)
    yield from apply_secret(
        NODE_PLAN, {"plan": render_plan(plan)}, seen.get(NODE_PLAN), state.revision, salt=state.salt
    )
    for secret in _SECRETS:
        if secret in seen:
            yield delete_object("Secret", secret)
