# SPDX-License-Identifier: Apache-2.0
"""The operator around the production hook: snapshots in, kube operations and values out.

Bindings are evaluated by jq itself, each once for every content of an object. A run is a pure function of what it is
given, so equal inputs are run once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

from d8registry.adapters.reconcile import reconcile
from d8registry.adapters.runtime import Run
from d8registry.switching.bindings import build_hook_config

from box.runner.config import KubernetesBinding, parse_hook_config
from box.runner.snapshot import build_filter
from tests.prove.canonical import START, note_mark, read_mounted
from tests.prove.patching import apply_operation
from tests.prove.store import Doc, World, change, hidden

JSON = Any
DIGESTS = {
    "prometheus": {"grafana": "sha256:" + "1" * 64},
    "registry": {"inclusterProxy": "sha256:" + "2" * 64, "inclusterProxyAuth": "sha256:" + "3" * 64},
}
DEFAULTS: dict[str, JSON] = {"internal": {"proxy": {"enabled": False, "replicas": 0}}}
_BINDINGS = parse_hook_config(json.dumps(build_hook_config())).kubernetes
_FILTERS = {binding.name: build_filter(binding) for binding in _BINDINGS}
_OF_KIND = {
    kind: tuple(binding for binding in _BINDINGS if binding.kind == kind) for kind in {item.kind for item in _BINDINGS}
}


class Wanted(NamedTuple):
    """What a run wants done."""

    operations: tuple[Mapping[str, JSON], ...]
    internal: Mapping[str, JSON]


_RUNS: dict[tuple[object, ...], Wanted] = {}


def start_operator(settings: Mapping[str, JSON] | None = None) -> Doc:
    """An operator that has just started: the module's values are the schema's defaults."""
    return hidden("Operator", "operator", values={**DEFAULTS, **(settings or {})}, fresh=True, pending=None)


def run_hook(world: World) -> Wanted:
    """Run the reconcile hook on the objects of the moment."""
    values = memory_of(world).body["values"]
    identity = (world.clock(), json.dumps(values, sort_keys=True), *_list_bound(world))
    found = _RUNS.get(identity)
    if found is None:
        outputs = reconcile(build_run(world, "main"))
        for operation in outputs.operations:
            if operation["operation"] == "MergePatch":
                # The hook marks pods only in a run that sees the Secrets as it wants them.
                marks = operation["mergePatch"]["metadata"]["annotations"]
                note_mark(marks["registry.deckhouse.io/mounted"], read_mounted(world))
        found = _RUNS[identity] = Wanted(outputs.operations, outputs.internal or {})
    return found


def build_run(world: World, binding: str) -> Run:
    """What a hook of the module is given when `binding` wakes it."""
    bound = _list_bound(world)
    return Run(
        snapshots={
            binding.name: tuple(_look(binding.name, doc) for doc in bound if binding.name in _list_bindings(doc))
            for binding in _BINDINGS
        },
        values=memory_of(world).body["values"],
        global_values={
            "clusterIsBootstrapped": True,
            "modulesImages": {"digests": DIGESTS},
            "enabledModules": [],
        },
        config_values={},
        now=START + timedelta(seconds=world.clock()),
        bindings=frozenset({binding}),
    )


def _list_bound(world: World) -> list[Doc]:
    return [doc for kind in sorted(_OF_KIND) for doc in world.kind(kind) if _list_bindings(doc)]


def memory_of(world: World) -> Doc:
    """What the operator's process holds."""
    return world.need("~Operator", "operator")


def apply_outputs(world: World, wanted: Wanted) -> World:
    """Do all that a run wants."""
    for operation in wanted.operations:
        world = apply_operation(world, operation)
    memory = memory_of(world)
    values = memory.body["values"]
    internal = {**values["internal"], **json.loads(json.dumps(dict(wanted.internal)))}
    return world.put(change(memory, values={**values, "internal": internal}, fresh=False))


def restart(world: World) -> World:
    """The operator is gone and comes again: values are lost, and so is what a run had not written yet."""
    memory = memory_of(world)
    kept = {key: value for key, value in memory.body["values"].items() if key != "internal"}
    return world.put(change(memory, values={**DEFAULTS, **kept}, fresh=True, pending=None))


def count_runs() -> int:
    """How many different runs of the production hook there were."""
    return len(_RUNS)


@cache
def _list_bindings(doc: Doc) -> frozenset[str]:
    return frozenset(binding.name for binding in _OF_KIND[doc.key[0]] if _is_bound(binding, doc))


def _is_bound(binding: KubernetesBinding, doc: Doc) -> bool:
    _, namespace, name = doc.key
    if binding.names and name not in binding.names:
        return False
    if binding.namespaces and namespace not in binding.namespaces:
        return False
    labels = doc.body["metadata"].get("labels") or {}
    return all(
        labels.get(key) == value
        for key, _, value in (part.partition("=") for part in binding.label_selector.split(",") if part)
    )


def _look(name: str, doc: Doc) -> JSON:
    found = doc.views.get(name)
    if found is None:
        found = doc.views[name] = (_FILTERS[name](doc.body).shown["filterResult"],)
    return found[0]
