# SPDX-License-Identifier: Apache-2.0
"""Where a run may end: at rest in the mode that was asked for, in a hold or rolled back, with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from tests.prove.agent import pull_on
from tests.prove.containerd import FIXED, FIXED_HOST
from tests.prove.faults import FAULTS
from tests.prove.invariants import list_references
from tests.prove.platform import PROXY, base_of
from tests.prove.registries import LOGIN_A, WELL, A
from tests.prove.store import Doc, World
from tests.prove.transitions import Transition

_FAULTS = {fault.name: fault for fault in FAULTS}
_BUSY = ("Applying", "Soaking", "Checking", "CheckingProxy", "CollectingEvidence")


def find_wrong_end(world: World, transition: Transition) -> Iterator[str]:
    """Look at a world in which nothing moves any more, not even with time."""
    ready = read_ready(world)
    fault = world.need("~Budget", "budget").body["fault"]
    if not ready:
        yield "end: condition Ready is not said at all"
        return
    if ready["status"] == "True" and not is_put_back_to_a_dead_registry(world, transition):
        yield from _find_residue(world)
    elif not ready["reason"] or not ready["message"] or _is_busy(ready):
        yield f"end: it stands still without a reason ({ready['reason']}: {ready['message']})"
    if fault and not _FAULTS[fault].heals:
        return
    if fault and _FAULTS[fault].target and transition.dead:
        return  # what is wanted then may be the registry that is dead
    mode, host = (_FAULTS[fault].target if fault else None) or (transition.mode, transition.host)
    wanted = f"mode {mode}, {host}/" if host else f"mode {mode}, "
    if ready["status"] != "True" or not ready["message"].startswith(wanted):
        yield f"end: not at rest in {wanted} ({ready['reason']}: {ready['message']})"


def is_put_back_to_a_dead_registry(world: World, transition: Transition) -> bool:
    """Tell whether etcd was restored to before the switch away from a dead registry, from which nobody can pull."""
    fault = world.need("~Budget", "budget").body["fault"]
    return bool(transition.dead and fault and _FAULTS[fault].breaks)


def read_ready(world: World) -> dict[str, Any]:
    """Condition Ready; empty where it is not said."""
    found = world.secret("registry-state")
    return _read_ready(found) if found is not None else {}


@cache
def _read_ready(doc: Doc) -> dict[str, Any]:
    conditions = yaml.safe_load(doc.texts.get("conditions", "[]")) or []
    return next((dict(item) for item in conditions if item["type"] == "Ready"), {})


def _is_busy(ready: dict[str, Any]) -> bool:
    return ready["reason"] in _BUSY and not ready["message"].startswith("given up at step")


def _find_residue(world: World) -> Iterator[str]:
    """At rest nothing of the other generation is left, and everything that the platform runs can be pulled."""
    is_direct = base_of(world) == FIXED
    texts = yaml.safe_load(world.text("registry-bashible-config", "config") or "{}") or {}
    if is_direct and set(texts.get("hosts", {})) - {FIXED_HOST, A}:
        yield "end: registry-bashible-config names more than the fixed address"
    if not is_direct and FIXED_HOST in texts.get("hosts", {}):
        yield "end: registry-bashible-config still names the fixed address"
    if not is_direct and (world.secret(f"{PROXY}-upstream") or world.get("Deployment", PROXY, "d8-system")):
        yield "end: the proxy is left behind"
    for disk in world.kind("~Disk"):
        body = disk.body
        if body["down"]:
            continue
        live = body["live"]
        if is_direct and LOGIN_A[1] in str(live.get(A, "")):
            yield f"end: {disk.key[2]} keeps our credentials in the folder of {A}"
        if not is_direct and FIXED_HOST in live:
            yield f"end: {disk.key[2]} keeps a folder for the fixed address"
        for whose, image, config, where in list_references(world):
            if (not where or body["master"]) and not pull_on(disk, image, config, WELL).ok:
                yield f"end: {whose} cannot be pulled on {disk.key[2]}"
