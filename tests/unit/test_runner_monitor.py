# SPDX-License-Identifier: Apache-2.0
"""Following the cluster and firing schedules, with a scripted API.

Factors: what the watch tells, how it ends (410, connection lost), when events may pass, absent kinds; due or not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from box.runner.config import KubernetesBinding, parse_hook_config
from box.runner.errors import ApiError, KindUnknown
from box.runner.hookfiles import HookFile
from box.runner.kubeapi import Change, Listing, Resource, Selection
from box.runner.merge import HookRun
from box.runner.metrics import MetricStorage
from box.runner.module import Hook, Module
from box.runner.monitor import Monitor
from box.runner.openapi import ModuleSchemas
from box.runner.pace import TokenBucket
from box.runner.scheduler import Scheduler
from box.runner.snapshot import WatchEvent
from box.runner.values import ValuesStore
from tests.support.fake_kube import FakeKube

CONFIG = "configVersion: v1\nkubernetes: [{name: cms, apiVersion: v1, kind: ConfigMap, jqFilter: .data.a | tonumber}]"


class ScriptedKube(FakeKube):
    """Answers one list after the other, and the watches of the script; then the watch stays silent."""

    def __init__(self, lists: list[list[dict[str, Any]]], watches: list[list[Change] | ApiError]) -> None:
        super().__init__()
        self._lists = lists
        self._watches = watches
        self.watched_from: list[str] = []
        self.silence = threading.Event()

    def list_objects(self, resource: Resource, selection: Selection) -> Listing:
        return Listing(items=tuple(self._lists.pop(0)), resource_version=f"list-{len(self._lists)}")

    def watch(self, resource: Resource, selection: Selection, resource_version: str) -> Iterator[Change]:
        self.watched_from.append(resource_version)
        if not self._watches:
            self.silence.wait()
            return
        script = self._watches.pop(0)
        if isinstance(script, ApiError):
            raise script
        yield from script


def _map(name: str, a: str, revision: str = "9") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "d8-system", "resourceVersion": revision}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": a}}


def _wait(what: Callable[[], bool]) -> None:
    limit = time.monotonic() + 5
    while not what():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.01)


class Watched:
    def __init__(self, api: ScriptedKube) -> None:
        self.api = api
        self.events: list[tuple[str, Any]] = []
        (binding,) = parse_hook_config(CONFIG).kubernetes
        self.monitor = Monitor(api, binding, self._take, "hooks/x.py")

    def _take(self, binding: KubernetesBinding, event: WatchEvent) -> None:
        self.events.append((event.kind, event.shown["filterResult"]))

    def end(self) -> None:
        self.monitor.stop()
        self.api.silence.set()


def test_events_are_held_until_unlocked_and_then_pass_in_order() -> None:
    changes = [Change(kind="MODIFIED", object=_map("a", "2")), Change(kind="ADDED", object=_map("b", "3"))]
    watched = Watched(ScriptedKube([[_map("a", "1")]], [changes]))
    watched.monitor.start()
    _wait(lambda: len(watched.monitor.items()) == 2)
    assert watched.events == []
    watched.monitor.unlock()
    assert watched.events == [("Modified", 2), ("Added", 3)]
    watched.end()


def test_a_lost_connection_is_taken_up_at_the_last_revision(capsys: pytest.CaptureFixture[str]) -> None:
    lost = ApiError(503, "Unreachable", "connection refused")
    bookmark = Change(kind="BOOKMARK", object={"metadata": {"resourceVersion": "77"}})
    watched = Watched(ScriptedKube([[]], [[bookmark], lost, [Change(kind="ADDED", object=_map("a", "1"))]]))
    watched.monitor.unlock()
    watched.monitor.start()
    _wait(lambda: watched.events == [("Added", 1)])
    assert watched.api.watched_from[:3] == ["list-0", "77", "77"]
    assert "connection refused" in capsys.readouterr().out
    watched.end()


def test_a_revision_that_is_gone_is_listed_anew_and_the_difference_is_told() -> None:
    gone = ApiError(410, "Expired", "too old resource version")
    before = [_map("kept", "1"), _map("changed", "2"), _map("removed", "3")]
    after = [_map("kept", "1", "50"), _map("changed", "20"), _map("new", "4")]
    watched = Watched(ScriptedKube([before, after], [gone]))
    watched.monitor.unlock()
    watched.monitor.start()
    _wait(lambda: len(watched.events) == 3)
    assert sorted(watched.events) == [("Added", 4), ("Deleted", 3), ("Modified", 20)]
    watched.end()


def test_an_object_that_the_filter_fails_on_is_no_event_and_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    changes = [Change(kind="ADDED", object=_map("a", "abc")), Change(kind="ADDED", object=_map("b", "1"))]
    watched = Watched(ScriptedKube([[]], [changes]))
    watched.monitor.unlock()
    watched.monitor.start()
    _wait(lambda: watched.events == [("Added", 1)])
    assert "jqFilter: " in capsys.readouterr().out
    watched.end()


def test_a_stopped_monitor_keeps_its_snapshot_and_fires_nothing() -> None:
    watched = Watched(ScriptedKube([[_map("a", "1")]], []))
    watched.monitor.start()
    watched.end()
    watched.monitor.unlock()
    assert watched.monitor.items() == [{"filterResult": 1, "object": _map("a", "1")}]
    assert watched.events == []


def test_an_absent_kind_stops_the_start_with_the_operators_text() -> None:
    (binding,) = parse_hook_config("configVersion: v1\nkubernetes: [{apiVersion: a/v1, kind: Absent}]").kubernetes
    with pytest.raises(KindUnknown, match=r"apiVersion 'a/v1' kind 'Absent'. Possibly CRD is not created"):
        Monitor(FakeKube(), binding, lambda *_: None, "hooks/x.py").start()


def test_a_schedule_fires_once_each_time_it_is_due_and_never_before_the_start_is_done(tmp_path: Path) -> None:
    module = Module(
        folder=tmp_path,
        store=ValuesStore("registry", ModuleSchemas(None, None)),
        api=FakeKube(),
        patcher=FakeKube(),
        tmp_dir=tmp_path,
        settings_writer=lambda _: None,
        metrics=MetricStorage(),
    )
    config = parse_hook_config("configVersion: v1\nschedule: [{name: tick, crontab: '*/5 * * * * *', queue: q}]")
    file = HookFile(path=tmp_path, name="hooks/x.py", command=("x",))
    module.hooks["hooks/x.py"] = Hook(file=file, config=config, bucket=TokenBucket(interval=0, burst=1, now=time.time))
    fired: list[tuple[str, HookRun]] = []
    running: list[Module] = []
    scheduler = Scheduler(lambda: running, lambda queue, run: fired.append((queue, run)), threading.Event())
    counts = []
    for second in range(12):
        running[:] = [module] if second >= 4 else []
        scheduler.fire(datetime(2026, 11, 23, 10, 0, second))
        counts.append(len(fired))
    assert counts == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]
    assert (fired[0][0], fired[0][1].contexts[0].binding) == ("q", "tick")
