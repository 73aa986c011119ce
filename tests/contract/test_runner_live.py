# SPDX-License-Identifier: Apache-2.0
"""The whole runner on a real API server with the real helm and the sample module.

Factors: start; event, merging, retry; values -> ModuleRun -> helm (changed, unchanged, deleted object); ConfigMap
(valid, invalid, disabled, enabled again); pace and schedule of a group.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest

from box.runner.kubeapi import MERGE_PATCH, Selection
from box.runner.kubeoperations import parse_kube_operations
from box.runner.kubepatch import apply_kube_operations
from tests.support.live_runner import LIMIT, NAMESPACE, Live, wait

pytestmark = [pytest.mark.box, pytest.mark.timeout(120)]


def test_a_start_runs_every_phase_in_order_and_installs_the_chart(live: Live) -> None:
    live.put("one", {"a": "1"}, sample="yes")
    live.start()
    assert wait(live.readiness) == 500
    wait(lambda: live.readiness() == 200)
    assert live.bindings("lifecycle") == ["onStartup", "beforeHelm", "afterHelm"]
    (synchronization,) = live.runs("events")
    assert synchronization["contexts"][0]["type"] == "Synchronization"
    assert synchronization["config_values"] == {"global": None, "registry": None}
    order = [run["at"] for run in (*live.runs("lifecycle")[:1], synchronization, *live.runs("lifecycle")[1:])]
    assert order == sorted(order)
    rendered = live.get("rendered")
    assert rendered is not None
    assert rendered["metadata"]["labels"]["heritage"] == "addon-operator"
    assert rendered["data"]["message"] == "hello"


def test_events_during_a_run_are_merged_into_the_next(ready: Live) -> None:
    ready.do("events", sleep=1.5)
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: len(ready.runs("events")) == 2)
    for value in ("1", "2", "3"):
        ready.put("one", {"a": value}, sample="yes")
    wait(lambda: len(ready.runs("events")) == 3)
    contexts = ready.runs("events")[2]["contexts"]
    assert [context["filterResult"]["a"] for context in contexts] == ["1", "2", "3"]
    assert {context["snapshots"]["cms"][0]["filterResult"]["a"] for context in contexts} == {"3"}


def test_a_change_that_the_filter_does_not_see_is_no_event(ready: Live) -> None:
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: len(ready.runs("events")) == 2)
    resource = ready.api.resolve("v1", "ConfigMap")
    ready.api.patch(resource, NAMESPACE, "one", {"metadata": {"annotations": {"x": "y"}}}, MERGE_PATCH)
    ready.api.patch(resource, NAMESPACE, "one", {"metadata": {"labels": {"sample": "no"}}}, MERGE_PATCH)
    wait(lambda: len(ready.runs("events")) == 3)
    (context,) = ready.runs("events")[2]["contexts"]
    assert (context["watchEvent"], context["filterResult"], context["snapshots"]) == (
        "Deleted",
        {"a": "0"},
        {"cms": []},
    )


def test_a_failed_run_is_retried_with_the_later_events_and_shows_in_the_queue(ready: Live) -> None:
    ready.do("events", exit=3, stderr="no luck today")
    ready.put("one", {"a": "0"}, sample="yes")
    task = wait(lambda: [t for t in ready.queues()["/modules/registry/events"] if t["failures"]])[0]
    assert (task["failures"], task["error"]) == (1, "no luck today")
    ready.do("events")
    ready.put("one", {"a": "1"}, sample="yes")
    wait(lambda: len(ready.runs("events")) == 3)
    failed, again = ready.runs("events")[1:]
    assert [context["filterResult"]["a"] for context in again["contexts"]] == ["0", "1"]
    assert 5.0 <= again["at"] - failed["at"] <= 6.5


def test_values_of_an_event_reach_the_chart_and_unchanged_manifests_are_no_revision(ready: Live) -> None:
    before = ready.revisions()
    ready.do("events", values=[{"op": "add", "path": "/registry/internal/counter", "value": 1795426806}])
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: ready.rendered("counter") == "1.795426806e+09")
    ready.do("events", values=[{"op": "add", "path": "/registry/internal/hooked", "value": "unseen by the chart"}])
    runs = ready.bindings("lifecycle").count("afterHelm")
    ready.put("one", {"a": "1"}, sample="yes")
    wait(lambda: ready.bindings("lifecycle").count("afterHelm") == runs + 1)
    assert ready.revisions() == before + 1


def test_a_deleted_object_comes_back_but_drift_stays(ready: Live) -> None:
    ready.put("rendered", {"message": "edited by hand"})
    ready.do("events", values=[{"op": "add", "path": "/registry/internal/hooked", "value": "x"}])
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: ready.log().count("module run done") == 2)
    assert ready.rendered("message") == "edited by hand"
    ready.delete("rendered")
    ready.do("events", values=[{"op": "add", "path": "/registry/internal/hooked", "value": "y"}])
    ready.put("one", {"a": "1"}, sample="yes")
    wait(lambda: ready.rendered("message") == "hello")


def test_kube_operations_before_a_rejected_values_patch_stay(ready: Live) -> None:
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made", "namespace": NAMESPACE}}
    ready.do(
        "events",
        kube={"operation": "CreateOrUpdate", "object": made},
        values=[{"op": "add", "path": "/registry/internal/foo", "value": 1}],
    )
    ready.put("one", {"a": "0"}, sample="yes")
    task = wait(lambda: [t for t in ready.queues()["/modules/registry/events"] if t["failures"]])[0]
    assert "registry.internal.foo in body is a forbidden property" in task["error"]
    assert ready.get("made") is not None


def test_user_settings_reach_hooks_and_chart(ready: Live) -> None:
    digests = "modulesImages: {digests: {registry: {proxy: 'sha256:abc'}}}"
    ready.put("addon-operator", {"registry": "mode: Direct", "global": digests})
    wait(lambda: ready.rendered("mode") == "Direct")
    last = ready.runs("lifecycle")[-1]
    assert last["config_values"]["registry"] == {"mode": "Direct"}
    assert ready.rendered("digest") == "sha256:abc"


def test_invalid_settings_block_main_until_fixed_and_named_queues_go_on(ready: Live) -> None:
    ready.put("addon-operator", {"registry": "mode: Wrong"})
    task = wait(lambda: [t for t in ready.queues()["main"] if t["failures"]])[0]
    assert "registry.mode in body should be one of [Unmanaged Direct]" in task["error"]
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: len(ready.runs("events")) == 2)
    assert ready.runs("events")[1]["values"]["registry"]["mode"] == "Unmanaged"
    assert ready.readiness() == 200
    ready.put("addon-operator", {"registry": "mode: Direct"})
    wait(lambda: ready.rendered("mode") == "Direct")


def test_invalid_settings_at_the_start_stop_before_helm_only(live: Live) -> None:
    live.put("addon-operator", {"registry": "mode: Wrong"})
    live.start()
    task = wait(lambda: live.readiness() == 500 and [t for t in live.queues()["main"] if t["failures"]])[0]
    assert "should be one of [Unmanaged Direct]" in task["error"]
    assert live.bindings("lifecycle") == ["onStartup", "beforeHelm"]
    assert live.runs("lifecycle")[-1]["values"]["registry"]["mode"] == "Wrong"
    assert live.get("rendered") is None


def test_disabling_removes_the_release_and_enabling_is_a_full_start(ready: Live) -> None:
    ready.put("addon-operator", {"registryEnabled": "false"})
    wait(lambda: ready.bindings("lifecycle")[-1] == "afterDeleteHelm")
    assert ready.bindings("lifecycle")[-2:] == ["beforeDeleteHelm", "afterDeleteHelm"]
    wait(lambda: ready.get("rendered") is None)
    ready.put("one", {"a": "0"}, sample="yes")
    ready.put("addon-operator", {"registryEnabled": "true"})
    wait(lambda: ready.bindings("lifecycle")[-3:] == ["onStartup", "beforeHelm", "afterHelm"])
    assert [run["contexts"][0]["type"] for run in ready.runs("events")] == ["Synchronization"] * 2


def test_values_do_not_survive_a_restart(ready: Live) -> None:
    ready.do("events", values=[{"op": "add", "path": "/registry/internal/counter", "value": 7}])
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: ready.rendered("counter") == "7")
    ready.do("events")
    ready.stop()
    ready.start()
    wait(lambda: ready.readiness() == 200)
    assert ready.rendered("counter") == "none"


def test_a_group_with_a_pace_gives_one_context_in_each_interval(ready: Live) -> None:
    wait(lambda: len(ready.runs("grouped")) == 4)
    runs = ready.runs("grouped")
    assert [len(run["contexts"]) for run in runs] == [1, 1, 1, 1]
    assert [context["binding"] for run in runs[1:] for context in run["contexts"]] == ["tick"] * 3
    gaps = [later["at"] - earlier["at"] for earlier, later in itertools.pairwise(runs)]
    assert min(gaps[1:]) >= 2.8


def test_without_its_config_map_the_runner_does_not_start(live: Live) -> None:
    live.delete("addon-operator")
    live.start()
    assert live.process is not None
    assert live.process.wait(LIMIT) == 1
    assert "kubectl -n d8-system create configmap addon-operator" in live.log()


def test_a_release_that_a_killed_runner_left_pending_is_dropped_and_made_anew(ready: Live) -> None:
    assert ready.process is not None
    ready.process.kill()
    ready.process.wait()
    secrets = ready.api.resolve("v1", "Secret")
    (release,) = ready.api.list_objects(secrets, Selection(namespace=NAMESPACE, labels="owner=helm")).items
    pending = {"metadata": {"labels": {"status": "pending-upgrade"}}}
    ready.api.patch(secrets, NAMESPACE, release["metadata"]["name"], pending, MERGE_PATCH)
    ready.start()
    wait(lambda: ready.readiness() == 200)
    (again,) = ready.api.list_objects(secrets, Selection(namespace=NAMESPACE, labels="owner=helm")).items
    assert again["metadata"]["labels"]["status"] == "deployed"
    assert again["metadata"]["uid"] != release["metadata"]["uid"]


def test_kube_operations_keep_to_the_rate_of_the_operators_client(live: Live) -> None:
    patch: dict[str, Any] = {"operation": "MergePatch", "apiVersion": "v1", "kind": "ConfigMap", "namespace": NAMESPACE}
    patch |= {"name": "addon-operator", "mergePatch": {"metadata": {"annotations": {"a": "b"}}}}
    operations = parse_kube_operations(json.dumps(patch) * 20)
    slow = live.api.limited(qps=5, burst=10)
    slow.resolve("v1", "ConfigMap")
    began = time.monotonic()
    apply_kube_operations(slow, operations)
    assert 1.8 <= time.monotonic() - began <= 4.0
