# SPDX-License-Identifier: Apache-2.0
"""The binding contexts of all recorded scenarios come out byte for byte.

Factors: lifecycle binding or kubernetes or schedule; Synchronization or Event; added, modified, deleted, joined and
left the selector; group or not; jqFilter, full objects or both; merged neighbours; retry.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from box.runner import gojson
from box.runner.config import HookConfig, KubernetesBinding, parse_hook_config
from box.runner.context import (
    Reason,
    event_context,
    lifecycle_context,
    render_contexts,
    schedule_context,
    synchronization_context,
)
from box.runner.merge import HookRun, take_neighbours
from box.runner.monitor import selections
from box.runner.openapi import load_schemas
from box.runner.snapshot import BindingSnapshot
from box.runner.values import UserConfig, ValuesStore
from tests.support.fake_kube import FakeKube, is_selected

TRACES = Path(__file__).parent / "traces"
VERSION = "registry.deckhouse.io/version"
DELETION_REVISION = "1019"


class Replay:
    """One hook: its snapshots, and a queue of its own."""

    def __init__(self, config: HookConfig, cluster: list[dict[str, Any]]) -> None:
        self.config = config
        self.queue: list[HookRun] = []
        self.current = {(item["kind"], item["metadata"]["name"]): item for item in cluster}
        self.snapshots = {binding.name: BindingSnapshot(binding) for binding in config.kubernetes}
        api = FakeKube(cluster)
        for binding in config.kubernetes:
            resource = api.resolve(binding.api_version, binding.kind)
            for selection in selections(binding, binding.namespaces or ("",)):
                self.snapshots[binding.name].fill(api.list_objects(resource, selection).items)

    def start(self) -> None:
        for binding in self.config.kubernetes:
            if binding.on_synchronization:
                context = synchronization_context(binding)
                self.queue.append(
                    HookRun(module="registry", hook="x", contexts=(context,), synchronizes=(binding.name,), waits=True)
                )

    def lifecycle(self, reason: Reason) -> None:
        self.queue.append(HookRun(module="registry", hook="x", contexts=(lifecycle_context(reason, self.config),)))

    def tick(self) -> None:
        (binding,) = self.config.schedule
        self.queue.append(HookRun(module="registry", hook="x", contexts=(schedule_context(binding),)))

    def put(self, item: dict[str, Any]) -> None:
        """Let the object appear, change, join or leave selectors as a watch would tell it."""
        key = (item["kind"], item["metadata"]["name"])
        before, self.current[key] = self.current.get(key), item
        for binding in self._bindings(item):
            was, now = before is not None and _fits(binding, before), _fits(binding, item)
            if was and not now:
                self._fire(binding, "Deleted", before)
            elif now:
                self._fire(binding, "Modified" if was else "Added", item)

    def remove(self, kind: str, name: str) -> None:
        last = json.loads(json.dumps(self.current.pop((kind, name))))
        last["metadata"]["resourceVersion"] = DELETION_REVISION
        for binding in self._bindings(last):
            self._fire(binding, "Deleted", last)

    def run(self, *, failing: bool = False) -> str:
        merged, taken = take_neighbours(self.queue[0], self.queue[1:])
        self.queue[: taken + 1] = [merged] if failing else []
        return render_contexts(merged.contexts, lambda name: self.snapshots[name].items())

    def annotate(self, name: str, version: str) -> None:
        item = json.loads(json.dumps(self.current["Node", name]))
        item["metadata"].setdefault("annotations", {})[VERSION] = version
        self.put(item)

    def set_data(self, name: str, **data: str) -> None:
        self.put(self.current["ConfigMap", name] | {"data": data})

    def _bindings(self, item: dict[str, Any]) -> list[KubernetesBinding]:
        return [binding for binding in self.config.kubernetes if binding.kind == item["kind"]]

    def _fire(self, binding: KubernetesBinding, kind: str, item: Any) -> None:
        event = self.snapshots[binding.name].apply(kind, item)
        if event is not None:
            self.queue.append(HookRun(module="registry", hook="x", contexts=(event_context(binding, event),)))


def _fits(binding: KubernetesBinding, item: dict[str, Any]) -> bool:
    namespace = item["metadata"].get("namespace", "")
    if binding.namespaces and namespace not in binding.namespaces:
        return False
    return any(is_selected(item, selection) for selection in selections(binding, (namespace,)))


def _node(name: str, version: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"trace": "yes"}, "annotations": {VERSION: version}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}


def _start(replay: Replay, trace: dict[str, Any]) -> list[str]:
    replay.start()
    return [replay.run()]


def _lifecycle(*reasons: Reason) -> Callable[[Replay, dict[str, Any]], list[str]]:
    def play(replay: Replay, trace: dict[str, Any]) -> list[str]:
        for reason in reasons:
            replay.lifecycle(reason)
        texts = []
        while replay.queue:
            merged = replay.queue.pop(0)
            texts.append(render_contexts(merged.contexts, lambda name: replay.snapshots[name].items()))
        return texts

    return play


def _difference(replay: Replay, trace: dict[str, Any]) -> list[str]:
    """Play what lies between cluster_before and cluster_after."""
    after = {(item["kind"], item["metadata"]["name"]): item for item in trace["cluster_after"]}
    for key in sorted(set(replay.current) - set(after)):
        replay.remove(*key)
    for key in sorted(after):
        if after[key] != replay.current.get(key):
            replay.put(after[key])
    return [replay.run()]


def _tick(replay: Replay, trace: dict[str, Any]) -> list[str]:
    replay.tick()
    return [replay.run()]


def _merged_events(replay: Replay, trace: dict[str, Any]) -> list[str]:
    replay.annotate("m1", "a0")
    first = replay.run()
    replay.annotate("m1", "a1")
    replay.annotate("m2", "a2")
    replay.annotate("m1", "a3")
    replay.put(_node("n9", "a4"))
    replay.remove("Node", "n9")
    replay.annotate("m1", "a5")
    return [first, replay.run()]


def _merged_group(replay: Replay, trace: dict[str, Any]) -> list[str]:
    replay.annotate("m1", "b0")
    first = replay.run()
    replay.annotate("m1", "b1")
    replay.set_data("t-group", a="3")
    replay.annotate("m2", "b2")
    return [first, replay.run()]


def _merged_two_bindings(replay: Replay, trace: dict[str, Any]) -> list[str]:
    """The recording caught a schedule run first; t-two changed while it slept."""
    replay.tick()
    first = replay.run()
    replay.set_data("t-two", a="2")
    replay.put(_node("m8", "c1"))
    replay.set_data("t-two", a="3")
    replay.remove("Node", "m8")
    return [first, replay.run()]


def _retry(replay: Replay, trace: dict[str, Any]) -> list[str]:
    metadata = {"name": "t-failq", "namespace": "d8-system", "labels": {"trig": "failq"}}
    replay.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"v": "b1"}})
    first = replay.run(failing=True)
    replay.set_data("t-failq", v="b2")
    replay.set_data("t-failq", v="b3")
    return [first, replay.run()]


PLAYS: dict[str, Callable[[Replay, dict[str, Any]], list[str]]] = {
    "01-onstartup": _lifecycle(Reason.ON_STARTUP),
    "02-sync-simple": _start,
    "03-sync-jqfilter-self-and-foreign-snapshots": _start,
    "04-sync-full-objects": _start,
    "05-sync-group": _start,
    "06-sync-two-bindings-one-run": _start,
    "07-sync-no-objects": _start,
    "08-sync-scalar-filter": _start,
    "09-before-helm": _lifecycle(Reason.BEFORE_HELM),
    "10-after-helm": _lifecycle(Reason.AFTER_HELM),
    "11-before-helm-empty-snapshot": _lifecycle(Reason.BEFORE_HELM),
    "12-event-added": _difference,
    "13-event-modified": _difference,
    "14-event-deleted-left-selector": _difference,
    "15-event-added-joined-selector": _difference,
    "16-event-deleted": _difference,
    "17-event-full-added": _difference,
    "18-event-full-modified": _difference,
    "19-event-full-deleted": _difference,
    "20-group-by-node": _difference,
    "21-group-by-configmap": _difference,
    "22-group-by-schedule": _tick,
    "23-schedule": _tick,
    "24-merged-events": _merged_events,
    "25-merged-group": _merged_group,
    "26-merged-two-bindings": _merged_two_bindings,
    "27-retry-after-failure": _retry,
    "28-config-from-configmap": _lifecycle(Reason.BEFORE_HELM),
    "29-delete-helm": _lifecycle(Reason.BEFORE_DELETE_HELM, Reason.AFTER_DELETE_HELM),
}
DIGESTS = {"modulesImages": {"digests": {"registry": {"proxy": "sha256:abc"}}}}
CONFIGURED = {
    "28-config-from-configmap": UserConfig(settings={"mode": "Direct"}, globals=DIGESTS),
    "29-delete-helm": UserConfig(settings={}, globals=DIGESTS, enabled=False),
}


def test_every_recorded_scenario_is_replayed() -> None:
    assert sorted(PLAYS) == sorted(path.stem for path in TRACES.glob("[0-9]*.json"))


@pytest.mark.parametrize("name", sorted(PLAYS))
def test_contexts_equal_the_recorded_bytes(name: str) -> None:
    trace = json.loads((TRACES / f"{name}.json").read_text(encoding="utf-8"))
    replay = Replay(parse_hook_config(trace["hook_config"]), trace["cluster_before"])
    assert PLAYS[name](replay, trace) == [run["binding_context_text"] for run in trace["runs"]]


@pytest.mark.parametrize("name", sorted(PLAYS))
def test_values_and_config_values_are_as_recorded(name: str) -> None:
    trace = json.loads((TRACES / f"{name}.json").read_text(encoding="utf-8"))
    store = ValuesStore("registry", load_schemas(TRACES / "openapi"))
    store.set_config(CONFIGURED.get(name, UserConfig()))
    for run in trace["runs"]:
        assert gojson.dumps(store.values()) == gojson.dumps(run["values"])
        assert gojson.dumps(store.config_values()) == gojson.dumps(run["config_values"])
