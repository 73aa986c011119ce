# SPDX-License-Identifier: Apache-2.0
"""The faults of the search, each of which may happen once, at any time. This is the one list of them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from d8registry.adapters.leaving import leave
from d8registry.adapters.runtime import Outputs
from d8registry.evidence.answer import parse_evidence
from d8registry.evidence.question import parse_question
from d8registry.kube.state import parse_state
from d8registry.model.state import Step
from d8registry.switching.leaving import is_leaving

from tests.prove.agent import build_disk, run_platform_step
from tests.prove.backups import recall, restore
from tests.prove.canonical import START
from tests.prove.cluster import build_node
from tests.prove.operator import Wanted, apply_outputs, build_run, memory_of, restart, run_hook
from tests.prove.platform import PROXY, name_proxy
from tests.prove.registries import LOGIN_A, LOGIN_A2, PATH_B, A, Answer, B, C
from tests.prove.store import World, change, hidden
from tests.prove.transitions import TO_C, Section, annotate, direct, edit

FIXED_SECRETS = ("registry-node-plan", "registry-bashible-config", "registry-questions", "registry-checks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`happen` answers None where the fault cannot happen or changes nothing.

    `heals`: the run must still end Ready where it was to lead; otherwise a hold or a rollback with a reason is an end
    too. `target` is where that is once somebody wants something else: a mode, and a host or nothing. `absent` says why
    it cannot happen where `happen` answers None. `breaks`: pull secrets and nodes are of different times after it, and
    pulls that are refused for their credentials do not count before the end (decision record 58).
    """

    name: str
    happen: Callable[[World], World | None]
    heals: bool = False
    target: tuple[str, str] | None = None
    breaks: bool = False
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
        after = annotate(world, name)
        return None if after is world else after

    return happen


def _edit(section: Section | None) -> Callable[[World], World | None]:
    def happen(world: World) -> World | None:
        after = edit(world, section)
        return None if after is world else after

    return happen


def _break(name: str, key: str, text: str) -> Callable[[World], World | None]:
    """Somebody edits one of our Secrets."""

    def happen(world: World) -> World | None:
        found = world.secret(name)
        if found is None:
            return None
        data = {**found.body["data"], key: base64.b64encode(text.encode()).decode()}
        return world.put(change(found, data=data))

    return happen


def _reboot(name: str, seconds: int) -> Callable[[World], World | None]:
    """A node is away, and comes back with what is on its disk."""

    def happen(world: World) -> World | None:
        after = _go_down(name)(world)
        if after is None:
            return None
        found = after.need("~Disk", name)
        disk = change(found, down="reboots", lags=seconds > 0 and not found.body["master"])
        return after.put(disk).at(world.clock() + seconds)

    return happen


def _join(world: World) -> World | None:
    """A node joins: it boots with the platform's text of now, and has not heard of us."""
    text, first = world.need("~Bundle", "bundle").body["text"], world.kind("~Disk")[0]
    is_early = not text and first.body["configPath"]
    disk = build_disk("worker-9", is_master=False, config_path=is_early, joins=True)
    return world.put(build_node("worker-9"), run_platform_step(disk, text) if text else disk)


def _leave_and_return(world: World) -> World | None:
    """The module is disabled, and enabled again at once."""
    asleep = apply_outputs(world, _want(leave(build_run(world, "beforeDeleteHelm"))))
    found = asleep.secret("registry-state")
    state = parse_state(found.body) if found is not None else None
    if state is None or is_leaving(state):
        return None
    return restart(asleep)


def _want(outputs: Outputs) -> Wanted:
    return Wanted(outputs.operations, {})


def _drop_proxy(world: World) -> World | None:
    name = name_proxy("master-0")
    after = world.drop(("Pod", "d8-system", name), ("~Proxy", "", name))
    return None if after is world else after


def _freeze(world: World) -> World | None:
    """The operator freezes in a run, and another one takes over: what is left of that run is written when it thaws."""
    pending = memory_of(world).body["pending"]
    left = (pending["operations"] if pending is not None else ()) or run_hook(world).operations
    if not left:
        return None
    return restart(world).put(hidden("Frozen", "operator", operations=list(left)))


def _pass_minute(world: World) -> World | None:
    """The platform is slower than the soak."""
    return world.at(world.now + 61)


def _write_late_copy(world: World) -> World | None:
    """Somebody who is late writes a copy of the pull secret as it was before; deckhouse renders it again.

    Nobody is so late that the evidence for letting the old source go was taken before.
    """
    before = recall(world).need("Secret", "deckhouse-registry", "d8-monitoring")
    if world.look(before.key) is before or _has_evidence(world):
        return None
    return world.put(before)


def _has_evidence(world: World) -> bool:
    """Tell whether a switch has its evidence, or there is none under way."""
    found = world.secret("registry-state")
    state = parse_state(found.body) if found is not None else None
    if state is None or state.switch is None or state.switch.step is Step.CLEAN_UP:
        return True
    asked, answered = world.secret("registry-questions"), world.secret("registry-evidence")
    question = parse_question(asked.texts.get("evidence", "")) if asked else None
    evidence = parse_evidence(answered.texts.get("evidence", "")) if answered else None
    if question is None:
        return state.switch.step is Step.FINALISE_NODES
    return evidence is not None and evidence.key == question.key


def _lose_patience(world: World) -> World | None:
    """Nothing moves for half an hour, and somebody asks for a third registry."""
    after = edit(world, TO_C)
    return None if after is world else after.at(world.now + 1861)


def _keep_copies(world: World) -> World | None:
    return world.put(change(world.need("~Health", "health"), copies="stay"))


_INVALID = {"mode": "Direct", "direct": {"imagesRepo": "not a repository"}}
_THIRD = direct(A, PATH_B, LOGIN_A2)


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
    Fault(name="settings-go-back", happen=_edit(None), heals=True, target=("Unmanaged", "")),
    Fault(name="settings-become-invalid", happen=_edit(_INVALID)),
    Fault(name="registry-d-is-emptied", happen=_drift("worker-0"), heals=True),
    Fault(name="settings-want-a-third", happen=_edit(_THIRD), heals=True, target=("Direct", A)),
    Fault(name="paused", happen=_annotate("pause")),
    Fault(name="retried", happen=_annotate("retry"), heals=True),
    Fault(name="finalised", happen=_annotate("finalise"), heals=True),
    Fault(name="authority-is-to-be-rotated", happen=_annotate("rotate-ca"), heals=True),
    Fault(name="worker-reboots", happen=_reboot("worker-0", 0), heals=True),
    Fault(name="worker-is-away-past-the-grace", happen=_reboot("worker-0", 661), heals=True),
    Fault(name="master-reboots", happen=_reboot("master-0", 0), heals=True),
    Fault(name="master-is-away-past-the-grace", happen=_reboot("master-0", 661), heals=True),
    Fault(name="node-joins", happen=_join, heals=True),
    Fault(name="etcd-is-restored", happen=restore, breaks=True),
    Fault(name="proxy-pod-is-gone", happen=_drop_proxy, heals=True),
    Fault(name="copies-stay-behind", happen=_keep_copies),
    Fault(name="operator-freezes-in-a-run", happen=_freeze, heals=True),
    Fault(name="platform-is-slower-than-the-soak", happen=_pass_minute, heals=True),
    Fault(
        name="copy-is-written-late",
        happen=_write_late_copy,
        heals=True,
        absent="the copy is that one, or the evidence is taken",
    ),
    Fault(name="patience-is-lost", happen=_lose_patience, heals=True, target=("Direct", C)),
    Fault(name="node-plan-is-edited", happen=_break("registry-node-plan", "plan", "by hand"), heals=True),
    Fault(name="questions-are-edited", happen=_break("registry-questions", "questions", "[]"), heals=True),
    Fault(name="checks-are-edited", happen=_break("registry-checks", "checks", "[]"), heals=True),
    Fault(name="state-is-unreadable", happen=_break("registry-state", "state", "by hand")),
    Fault(name="disabled-and-enabled", happen=_leave_and_return, heals=True, absent="at rest in Unmanaged it is left"),
)
