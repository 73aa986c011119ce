# SPDX-License-Identifier: Apache-2.0
"""One look at the box: machines, registries, queues, the module, processes, and the memory of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from box import api, memory, process
from box.errors import BoxError
from box.inventory import read_nodes
from box.layout import RUN
from box.nodefaults import list_faults
from box.queues import read_queues
from box.registries import control, running
from box.registries.catalogue import REGISTRIES, Registry
from box.watch.view import describe_wait, read_view

_STATE = "/api/v1/namespaces/d8-system/secrets/registry-state"
_LABEL = "registry.deckhouse.io/node-state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a table; `well` is False where somebody has to look."""

    words: tuple[str, ...]
    well: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What `box status` shows. `memory` is MiB, shared pages counted once; `kinds` is that memory by
    program; `module` one line on the switch."""

    nodes: tuple[Line, ...]
    registries: tuple[Line, ...]
    queues: tuple[Line, ...]
    processes: tuple[Line, ...]
    kinds: tuple[Line, ...]
    module: str
    memory: int

    @property
    def troubled(self) -> tuple[str, ...]:
        """Names of what somebody has to look at."""
        return tuple(line.words[0] for line in (*self.nodes, *self.registries, *self.processes) if not line.well)

    @property
    def well(self) -> bool:
        """Whether all that should run does; a waiting queue or a switch under way is no trouble of the box."""
        return not self.troubled


def look() -> Overview:
    """Look at the box once."""
    answers = api.is_ready()
    records = process.read_records()
    nodes = {node.name for node in read_nodes()}
    return Overview(
        nodes=_look_at_nodes(answers, {record.name: record.pid for record in records if process.is_alive(record)}),
        registries=tuple(_look_at_registry(one) for one in REGISTRIES if (running.FOLDER / one.name).is_dir()),
        queues=_look_at_queues(),
        processes=tuple(_look_at_process(one) for one in records if one.name.removesuffix("-unshare") not in nodes),
        kinds=tuple(
            Line(words=(share.kind, str(share.count), str(share.size)))
            for share in memory.measure_kinds(record.pid for record in records)
            if share.size
        ),
        module=_look_at_module() if answers else "the API server does not answer",
        memory=memory.measure(record.pid for record in records),
    )


def _look_at_nodes(answers: bool, alive: Mapping[str, int]) -> tuple[Line, ...]:
    items = api.request("GET", "/api/v1/nodes")["items"] if answers else []
    states = {item["metadata"]["name"]: (item["metadata"].get("labels") or {}).get(_LABEL, "") for item in items}
    ready = api.fetch_nodes() if answers else {}
    lines = []
    for node in read_nodes():
        word = ("Ready" if ready.get(node.name) else "NotReady") if node.name in alive else "down"
        size = memory.measure([alive[node.name]]) if node.name in alive else 0
        state, faults = states.get(node.name, "") or "-", ", ".join(list_faults(node))
        words = (node.name, node.address, str(node.containerd), word, state, str(size), faults)
        lines.append(Line(words=words, well=word == "Ready"))
    return tuple(lines)


def _look_at_registry(registry: Registry) -> Line:
    if not running.is_running(registry.name):
        return Line(words=(registry.name, registry.authority, "ENDED", ""), well=False)
    try:
        faults = " ".join(control.fetch_faults(running.get_files(registry.name)).describe())
    except BoxError as error:
        return Line(words=(registry.name, registry.authority, "does not answer", str(error)), well=False)
    return Line(words=(registry.name, registry.authority, "running", faults))


def _look_at_queues() -> tuple[Line, ...]:
    try:
        return tuple(Line(words=(queue.name, queue.words)) for queue in read_queues())
    except BoxError as error:
        return (Line(words=("-", str(error)), well=False),)


def _look_at_process(record: process.Record) -> Line:
    alive = process.is_alive(record)
    size = str(memory.measure([record.pid])) if alive else ""
    log = record.log.removeprefix(f"{RUN}/")
    return Line(words=(record.name, str(record.pid), "running" if alive else "ENDED", size, log), well=alive)


def _look_at_module() -> str:
    try:
        view = read_view(api.request("GET", _STATE))
    except BoxError as error:
        if ": 404 " in str(error):
            return "no Secret d8-system/registry-state yet"
        raise
    ready = view.find("Ready")
    where = f"mode {view.mode}" + (f" -> {view.target_mode}" if view.target_mode not in {"", view.mode} else "")
    step = f", step {view.step}" if view.step else ""
    return f"{where}{step}, {'Ready' if ready and ready.status == 'True' else f'not Ready: {describe_wait(view)}'}"
