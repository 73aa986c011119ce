# SPDX-License-Identifier: Apache-2.0
"""What may happen next in a world: moves that every cluster makes, crashes of the operator, and faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from tests.prove import agent, platform
from tests.prove.canonical import THRESHOLDS, build_key
from tests.prove.faults import FAULTS, Fault
from tests.prove.memo import Act, Remembered
from tests.prove.operator import Wanted, apply_outputs, memory_of, restart, run_hook
from tests.prove.patching import apply_operation
from tests.prove.store import Key, World, change

NORMAL, CRASH, FAULT, LATE = "normal", "crash", "fault", "late"


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that happens: `changed` documents, and what the module wrote to the API in it, in order.

    What is LATE comes at some time, and nothing waits for it.
    """

    label: str
    kind: str
    after: World
    changed: tuple[Key, ...]
    writes: tuple[str, ...] = ()


def list_moves(world: World, faults: tuple[Fault, ...] = FAULTS, *, with_crash: bool = True) -> Iterator[Move]:
    """Everything that may happen next and changes something. Nothing but time is left where nothing comes."""
    yield from _run_operator(world, with_crash=with_crash and not world.docs[BUDGET].body["crash"])
    for label, act in _list_acts(tuple(disk.key[2] for disk in world.kind("~Disk"))):
        happened = act(world)
        if happened is not None:
            yield Move(label, NORMAL, *happened)
    yield from _thaw(world)
    if not world.docs[BUDGET].body["fault"]:
        yield from (move for move in (happen(world, fault) for fault in faults) if move is not None)


def happen(world: World, fault: Fault) -> Move | None:
    """A fault happens; None where it cannot."""
    happened = _get_fault(fault)(world)
    return Move(f"FAULT {fault.name}", FAULT, *happened) if happened is not None else None


def pass_time(world: World) -> Move:
    """Nothing else moves: time goes on to the next threshold; the same world where there is none ahead."""
    key = build_key(world)
    for threshold in THRESHOLDS:
        after = world.at(world.now + threshold + 1)
        if build_key(after) != key:
            return Move(f"{threshold} s pass", NORMAL, after, ())
    return Move("time passes", NORMAL, world, ())


def _thaw(world: World) -> Iterator[Move]:
    """An operator that was frozen goes on with the run that it was in, though another took over long ago."""
    frozen = world.get("~Frozen", "operator")
    if frozen is not None:
        after = world.drop(frozen.key)
        for operation in frozen.body["operations"]:
            after = apply_operation(after, operation)
        changed = tuple(key for key, doc in after.docs.items() if world.docs.get(key) is not doc)
        changed += tuple(key for key in world.docs if key not in after.docs)
        yield Move("a frozen operator thaws", LATE, after, changed, _name_writes(frozen.body["operations"]))


def _run_operator(world: World, *, with_crash: bool) -> Iterator[Move]:
    wanted, is_pending = _RUN(world)
    names = _name_writes(wanted.operations)
    act = _OUTPUTS.get(id(wanted))
    if act is None:
        act = _OUTPUTS[id(wanted)] = _build_acts(wanted, is_pending=is_pending)
    happened = act[0](world)
    if happened is not None:
        label = "a slow run's result is written" if is_pending else "reconcile"
        yield Move(label + (f" writes {', '.join(names)}" if names else " sets values"), NORMAL, *happened, names)
    if with_crash and not is_pending:
        for count, crash in enumerate(act[1:]):
            happened = crash(world)
            assert happened is not None
            label = f"CRASH after {', '.join(names[:count])}" if count else "CRASH before a write"
            yield Move(label, CRASH, *happened, names[:count])


def cut_run(world: World) -> Iterator[tuple[str, World]]:
    """The worlds right after each write of the run of now, while the rest of that run is still to come."""
    wanted, is_pending = _RUN(world)
    if is_pending:
        return
    after = world
    for count, name in enumerate(_name_writes(wanted.operations), 1):
        after = apply_operation(after, wanted.operations[count - 1])
        rest = {"operations": list(wanted.operations[count:]), "internal": dict(wanted.internal)}
        yield name, after.put(change(memory_of(after), pending=rest))


@Remembered
def _RUN(world: World) -> tuple[Wanted, bool]:
    pending = memory_of(world).body["pending"]
    if pending is None:
        return run_hook(world), False
    # The run of a slow process: it was computed on what the world was like then.
    return Wanted(tuple(pending["operations"]), pending["internal"]), True


_OUTPUTS: dict[int, list[Act]] = {}


def _build_acts(wanted: Wanted, *, is_pending: bool) -> list[Act]:
    """What becomes of a run: all of it is done, or the operator dies after so many of its operations."""

    def finish(world: World) -> World:
        if is_pending:
            world = world.put(change(memory_of(world), pending=None))
        return apply_outputs(world, wanted)

    def crash(count: int, world: World) -> World:
        world = restart(world).put(change(world.need("~Budget", "budget"), crash="used"))
        for operation in wanted.operations[:count]:
            world = apply_operation(world, operation)
        return world

    return [Act(finish), *(Act(partial(crash, count)) for count in range(len(wanted.operations) + 1))]


def _name_writes(operations: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(
        ("-" if item["operation"] == "DeleteInBackground" else "")
        + str(item["name"] if "name" in item else item["object"]["metadata"]["name"])
        for item in operations
    )


@cache
def _get_fault(fault: Fault) -> Act:
    def happen(world: World) -> World | None:
        after = fault.happen(world)
        return None if after is None else after.put(change(after.need("~Budget", "budget"), fault=fault.name))

    return Act(happen)


@cache
def _list_acts(nodes: tuple[str, ...]) -> tuple[tuple[str, Act], ...]:
    found = [(label, Act(act)) for label, act in _ACTS]
    for name in nodes:
        if name.startswith("master"):
            found.append((f"the proxy's pod on {name} starts or goes", Act(partial(platform.start_proxy, name))))
            found.append((f"the proxy on {name} reloads", Act(partial(platform.load_proxy, name))))
        found.append((f"registry-node on {name}", Act(partial(_sync, name))))
        found.append((f"{name} is back", Act(partial(_come_back, name))))
        found.append((f"{name} reports", Act(partial(_report, name))))
        found.append((f"{name} runs the platform's step", Act(partial(_run_step, name))))
        found.append((f"{name} runs an older text of the step", Act(partial(_run_older_step, name))))
    return tuple(found)


def _sync(name: str, world: World) -> World:
    disk = world.need("~Disk", name)
    if disk.body["down"]:
        return world
    return world.put(agent.sync(disk, world.secret("registry-node-plan"), platform.health_of(world)))


def _come_back(name: str, world: World) -> World:
    """A node that rebooted is there again, with its disk."""
    disk, node = world.need("~Disk", name), world.need("Node", name)
    if disk.body["down"] != "reboots":
        return world
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    return world.put(change(disk, down=False), change(node, status=status))


def _report(name: str, world: World) -> World:
    disk, node = world.need("~Disk", name), world.need("Node", name)
    report = agent.build_report(disk)
    annotations = node.body["metadata"].get("annotations") or {}
    if disk.body["down"] or not report or annotations.get(REPORT) == report:
        return world
    metadata = {**node.body["metadata"], "annotations": {**annotations, REPORT: report}}
    return world.put(change(node, metadata=metadata))


def _run_step(name: str, world: World) -> World:
    """The step runs where its text changed; an update waits until every node of the group is there."""
    disk, text = world.need("~Disk", name), world.need("~Bundle", "bundle").body["text"]
    step, group = disk.body["step"], name.partition("-")[0]
    if step == text or (step == agent.BEFORE and not text):
        return world
    if any(other.body["down"] for other in world.kind("~Disk") if other.key[2].startswith(group)):
        return world
    return world.put(agent.run_platform_step(disk, text))


def _run_older_step(name: str, world: World) -> World:
    """A node that waited long for its approval still has the text of before."""
    disk, bundle = world.need("~Disk", name), world.need("~Bundle", "bundle").body
    text = bundle["before"]
    if disk.body["down"] or not text or disk.body["step"] in (text, bundle["text"]):
        return world
    return world.put(agent.run_platform_step(disk, text))


REPORT = "registry.deckhouse.io/node-report"
BUDGET = ("~Budget", "", "budget")
_ACTS: tuple[tuple[str, Callable[[World], World]], ...] = (
    ("deckhouse restarts with the Secret of now", platform.take_over),
    ("deckhouse's pod is made anew", platform.renew_deckhouse),
    ("the copy of the pull secret follows", platform.follow_copies),
    ("Deployment grafana is rendered", lambda world: platform.render(world, "Deployment", "grafana")),
    ("DaemonSet agent is rendered", lambda world: platform.render(world, "DaemonSet", "agent")),
    ("CronJob report is rendered", lambda world: platform.render(world, "CronJob", "report")),
    ("the DaemonSet's old pod is deleted", platform.recreate),
    ("node-manager renders the step", platform.render_bundle),
    ("Helm renders", platform.run_helm),
    ("the probe hook answers", platform.probe),
    ("the evidence hook answers", platform.collect),
)
