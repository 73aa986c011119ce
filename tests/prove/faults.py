# SPDX-License-Identifier: Apache-2.0
"""The faults of the search, each of which may happen once, at any time. This is the one list of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.prove.canonical import START
from tests.prove.operator import memory_of, restart, run_hook
from tests.prove.platform import PROXY
from tests.prove.registries import LOGIN_A, A, Answer, B
from tests.prove.store import World, change

FIXED_SECRETS = ("registry-node-plan", "registry-bashible-config", "registry-questions", "registry-checks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`happen` answers None where the fault cannot happen or changes nothing.

    `heals`: the run must still end Ready where it was to lead; otherwise a hold or a rollback with a reason is an end
    too. `absent` says why it cannot happen where it answers None.
    """

    name: str
    happen: Callable[[World], World | None]
    heals: bool = False
    absent: str = "what it takes away is not there, or is so already"


def _trouble(host: str, answer: Answer) -> Callable[[World], World | None]:
    def happen(world: World) -> World | None:
        return world.put(change(world.need("~Health", "health"), troubles=[[host, answer.value]]))

    return happen


def _revoke(world: World) -> World | None:
    return world.put(change(world.need("~Health", "health"), revoked=[list(LOGIN_A)]))


def _lose(kind: str, name: str) -> Callable[[World], World | None]:
    def happen(world: World) -> World | None:
        after = world.drop((kind, "d8-system", name))
        return None if after is world else after

    return happen


def _go_down(name: str) -> Callable[[World], World | None]:
    def happen(world: World) -> World | None:
        disk, node = world.get("~Disk", name), world.get("Node", name)
        if disk is None or node is None:
            return None
        since = f"{START:%Y-%m-%d}T{_clock(world.clock())}Z"
        status = {"conditions": [{"type": "Ready", "status": "Unknown", "lastTransitionTime": since}]}
        return world.put(change(disk, down=True), change(node, status=status))

    return happen


def _clock(seconds: int) -> str:
    hours, rest = divmod(12 * 3600 + seconds, 3600)
    return f"{hours:02}:{rest // 60:02}:{rest % 60:02}"


def _stall(world: World) -> World | None:
    return world.at(world.now + 1861)


def _restart_operator(world: World) -> World | None:
    after = restart(world)
    return None if after is world else after


def _run_slowly(world: World) -> World | None:
    """A run is under way: what it writes later is what it computed now."""
    memory = memory_of(world)
    if memory.body["pending"] is not None:
        return world  # it is: what is left of it comes when it comes
    wanted = run_hook(world)
    if not wanted.operations:
        return None
    pending = {"operations": list(wanted.operations), "internal": dict(wanted.internal)}
    return world.put(change(memory, pending=pending))


def _annotate(name: str) -> Callable[[World], World | None]:
    def happen(world: World) -> World | None:
        found = world.need("ModuleConfig", "registry")
        notes = {f"registry.deckhouse.io/{name}": "1"}
        return world.put(change(found, metadata={**found.body["metadata"], "annotations": notes}))

    return happen


def _edit_back(world: World) -> World | None:
    found = world.need("ModuleConfig", "deckhouse")
    return world.put(change(found, spec={**found.body["spec"], "settings": {}}))


def _edit_invalid(world: World) -> World | None:
    found = world.need("ModuleConfig", "deckhouse")
    settings = {"registry": {"mode": "Direct", "direct": {"imagesRepo": "not a repository"}}}
    return world.put(change(found, spec={**found.body["spec"], "settings": settings}))


def _drift(name: str) -> Callable[[World], World | None]:
    """Somebody removes what lies in the folders of registry.d that are ours."""

    def happen(world: World) -> World | None:
        disk = world.get("~Disk", name)
        if disk is None or disk.body["current"] is None or not disk.body["owned"]:
            return None
        live = {host: folder for host, folder in disk.body["live"].items() if host not in disk.body["owned"]}
        return world.put(change(disk, live=live, emptied=True))

    return happen


FAULTS = (
    Fault(name="slow-run", happen=_run_slowly, heals=True),
    Fault(name="operator-restarts", happen=_restart_operator, heals=True),
    Fault(name="half-an-hour-without-progress", happen=_stall),
    Fault(name="worker-dies", happen=_go_down("worker-0")),
    Fault(name="master-dies", happen=_go_down("master-0")),
    Fault(name="registry-a-refuses", happen=_trouble(A, Answer.REFUSED)),
    Fault(name="registry-a-hangs", happen=_trouble(A, Answer.HANG)),
    Fault(name="registry-a-forgets-the-password", happen=_revoke),
    Fault(name="registry-b-refuses", happen=_trouble(B, Answer.REFUSED)),
    Fault(name="registry-b-hangs", happen=_trouble(B, Answer.HANG)),
    Fault(name="registry-b-lacks-images", happen=_trouble(B, Answer.MISSING)),
    Fault(name="registry-b-refuses-the-password", happen=_trouble(B, Answer.UNAUTHENTICATED)),
    Fault(name="node-plan-is-deleted", happen=_lose("Secret", "registry-node-plan"), heals=True),
    Fault(name="bashible-config-is-deleted", happen=_lose("Secret", "registry-bashible-config"), heals=True),
    Fault(name="questions-are-deleted", happen=_lose("Secret", "registry-questions"), heals=True),
    Fault(name="checks-are-deleted", happen=_lose("Secret", "registry-checks"), heals=True),
    Fault(name="evidence-is-deleted", happen=_lose("Secret", "registry-evidence"), heals=True),
    Fault(name="proxy-upstream-is-deleted", happen=_lose("Secret", f"{PROXY}-upstream"), heals=True),
    Fault(name="proxy-users-are-deleted", happen=_lose("Secret", f"{PROXY}-users"), heals=True),
    Fault(name="proxy-certificate-is-deleted", happen=_lose("Secret", f"{PROXY}-tls"), heals=True),
    Fault(name="proxy-deployment-is-deleted", happen=_lose("Deployment", PROXY)),
    Fault(name="pki-is-deleted", happen=_lose("Secret", "registry-pki")),
    Fault(name="state-is-deleted", happen=_lose("Secret", "registry-state")),
    Fault(name="aborted", happen=_annotate("abort")),
    Fault(name="settings-go-back", happen=_edit_back),
    Fault(name="settings-become-invalid", happen=_edit_invalid),
    Fault(name="registry-d-is-emptied", happen=_drift("worker-0"), heals=True),
)
