# SPDX-License-Identifier: Apache-2.0
"""What a hook's failure or values do in each phase of a start, and what its outputs do as a whole.

Factors: onStartup, Synchronization, beforeHelm, afterHelm, Event; fails once or changes values; every kind of output.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.support.live_runner import EVENTS, NAMESPACE, Live, wait

pytestmark = [pytest.mark.box, pytest.mark.timeout(120)]


def _counter(value: int) -> list[dict[str, Any]]:
    return [{"op": "add", "path": "/registry/internal/counter", "value": value}]


def _made(name: str) -> dict[str, Any]:
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}}
    return {"operation": "CreateOrUpdate", "object": {**made, "data": {"a": "1"}}}


def test_a_failing_synchronization_of_a_named_queue_holds_helm_until_it_succeeds(live: Live) -> None:
    live.do("events", only=["Synchronization"], exit=1)
    live.start()
    wait(lambda: live.readiness() == 500 and live.failures(EVENTS))
    assert (live.bindings("lifecycle"), live.get("rendered")) == (["onStartup"], None)
    live.put("one", {"a": "1"}, sample="yes")
    live.do("events")
    wait(lambda: live.readiness() == 200)
    assert live.bindings("lifecycle") == ["onStartup", "beforeHelm", "afterHelm"]
    # Events are held back until the Synchronization has succeeded, also while it waits for its retry.
    wait(lambda: len(live.runs("events")) == 3)
    shown = [[context["type"] for context in run["contexts"]] for run in live.runs("events")]
    assert shown == [["Synchronization"], ["Synchronization"], ["Event"]]


def test_a_failed_before_helm_repeats_alone(live: Live) -> None:
    live.do("lifecycle", only=["beforeHelm"], exit=1)
    live.start()
    wait(lambda: live.readiness() == 500 and live.failures("main"))
    live.do("lifecycle")
    wait(lambda: live.readiness() == 200)
    assert live.bindings("lifecycle") == ["onStartup", "beforeHelm", "beforeHelm", "afterHelm"]
    assert len(live.runs("events")) == 1


def test_values_of_the_start_reach_its_one_helm_run_and_those_of_after_helm_lead_to_a_second(live: Live) -> None:
    live.do("events", only=["Synchronization"], values=_counter(1))
    live.start()
    wait(lambda: live.readiness() == 200)
    assert (live.rendered("counter"), live.revisions(), live.log().count("module run done")) == ("1", 1, 1)
    live.stop()
    live.do("lifecycle", only=["beforeHelm"], values=_counter(2))
    live.start()
    wait(lambda: live.readiness() == 200)
    assert (live.rendered("counter"), live.revisions(), live.log().count("module run done")) == ("2", 2, 2)
    live.stop()
    live.do("lifecycle", only=["afterHelm"], values=_counter(3))
    live.start()
    wait(lambda: live.rendered("counter") == "3")
    wait(lambda: live.log().count("module run done") == 4)
    assert live.bindings("lifecycle")[-5:] == ["onStartup", "beforeHelm", "afterHelm", "beforeHelm", "afterHelm"]


def test_events_during_a_synchronization_come_after_it_as_events(live: Live) -> None:
    live.do("events", only=["Synchronization"], sleep=1.5)
    live.start()
    wait(lambda: live.runs("events"))
    for value in ("1", "2"):
        live.put("one", {"a": value}, sample="yes")
    wait(lambda: len(live.runs("events")) == 2)
    assert live.runs("events")[0]["contexts"][0]["objects"] == []
    shown = [(context["type"], context["watchEvent"]) for context in live.runs("events")[1]["contexts"]]
    assert shown == [("Event", "Added"), ("Event", "Modified")]


def test_a_binding_without_runs_keeps_its_snapshot_current(ready: Live) -> None:
    ready.put("settings", {"a": "1"})
    ready.put("settings", {"a": "2"})
    ready.do("events", values=_counter(1))
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: ready.rendered("counter") == "1")
    first, *_, last = [run for run in ready.runs("lifecycle") if run["contexts"][0]["binding"] == "beforeHelm"]
    assert first["contexts"][0]["snapshots"] == {"settings": []}
    assert last["contexts"][0]["snapshots"] == {"settings": [{"filterResult": {"a": "2"}}]}
    assert set(ready.bindings("lifecycle")) == {"onStartup", "beforeHelm", "afterHelm"}


@pytest.mark.parametrize(
    ("config", "words", "started"),
    [
        pytest.param(
            "{configVersion: v1, kubernetes: [{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig}]}",
            "Possibly CRD is not created",
            ["onStartup"],
            id="a kind without CRD",
        ),
        pytest.param("{configVersion: v1, wrong: 1}", "--config invalid", [], id="an unknown key"),
    ],
)
def test_one_bad_hook_stops_the_whole_module(live: Live, config: str, words: str, started: list[str]) -> None:
    bad = live.modules / "900-registry" / "hooks" / "200-bad.sh"
    bad.write_text(f"#!/bin/sh\necho '{config}'\n")
    bad.chmod(0o755)
    live.start()
    (task,) = wait(lambda: live.readiness() == 500 and live.failures("main"))
    assert words in task["error"]
    assert (live.bindings("lifecycle"), live.get("rendered")) == (started, None)


def test_an_admission_binding_is_accepted_and_never_called(live: Live) -> None:
    hook = live.modules / "900-registry" / "hooks" / "200-admission.sh"
    called = live.folder / "called"
    rules = '[{apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [configmaps], scope: Namespaced}]'
    config = f"{{configVersion: v1, kubernetesValidating: [{{name: v.example.com, rules: {rules}}}]}}"
    hook.write_text(f"#!/bin/sh\n[ \"$1\" = --config ] && echo '{config}' && exit\ntouch {called}\n")
    hook.chmod(0o755)
    live.start()
    wait(lambda: live.readiness() == 200)
    live.put("one", {"a": "1"}, sample="yes")
    wait(lambda: len(live.runs("events")) == 2)
    assert not called.exists()


def test_every_output_of_a_run_is_carried_out(ready: Live) -> None:
    ready.put("addon-operator", {"registry": "mode: Direct"})
    wait(lambda: ready.rendered("mode") == "Direct")
    ready.do(
        "events",
        values=_counter(5),
        kube=_made("made"),
        settings=[{"op": "add", "path": "/registry/logLevel", "value": "debug"}],
        metrics={"name": "d8_sample", "action": "set", "value": 4, "labels": {"a": "b"}},
    )
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: ready.rendered("counter") == "5")
    made, stored = ready.get("made"), ready.get("addon-operator")
    assert made is not None
    assert stored is not None
    (writer,) = made["metadata"]["managedFields"]
    assert (writer["manager"], writer["operation"]) == ("addon-operator", "Update")
    assert stored["data"]["registry"] == "logLevel: debug\nmode: Direct\n"
    assert 'd8_sample{a="b",hook="hooks/events.py",module="registry"} 4\n' in ready.ask("/metrics/hooks")
    ready.do("events")
    ready.put("one", {"a": "1"}, sample="yes")
    wait(lambda: len(ready.runs("events")) == 3)
    assert ready.runs("events")[2]["config_values"]["registry"] == {"mode": "Direct", "logLevel": "debug"}


def test_a_malformed_output_is_found_before_anything_is_applied(ready: Live) -> None:
    ready.do("events", kube=_made("made"), values="{not json")
    ready.put("one", {"a": "0"}, sample="yes")
    (task,) = wait(lambda: ready.failures(EVENTS))
    assert "got bad json patch for values" in task["error"]
    assert ready.get("made") is None


def test_a_hook_killed_by_a_signal_is_retried_with_the_same_context_and_nothing_of_it_is_applied(ready: Live) -> None:
    ready.do("events", sleep=30, kube=_made("made"))
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: len(ready.runs("events")) == 2)
    (interrupted,) = ready.runs("events")[1:]
    ready.kill_hook(interrupted["pid"])
    (task,) = wait(lambda: ready.failures(EVENTS))
    assert task["error"] == "module hook 'hooks/events.py' failed: cmd run: signal: killed"
    assert ready.get("made") is None
    ready.do("events")
    wait(lambda: len(ready.runs("events")) == 3)
    assert ready.runs("events")[2]["contexts"] == interrupted["contexts"]


def test_values_of_two_hooks_at_once_are_both_kept_and_the_slow_one_counts_as_a_change(ready: Live) -> None:
    runs = ready.log().count("module run done")
    ready.do("events", only=["Event"], sleep=5)
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: len(ready.runs("events")) == 2)
    ready.do("grouped", values=_counter(9))
    wait(lambda: ready.rendered("counter") == "9")
    ready.do("grouped")
    assert len(ready.ended("events")) == 1
    wait(lambda: ready.log().count("module run done") == runs + 2)
    assert "values changed by hooks/events.py" in ready.log()


def test_values_live_until_the_module_is_disabled_and_are_gone_when_it_is_enabled(ready: Live) -> None:
    ready.do("events", values=_counter(7))
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: ready.rendered("counter") == "7")
    ready.do("events")
    ready.put("addon-operator", {"registryEnabled": "false"})
    wait(lambda: ready.bindings("lifecycle")[-1] == "afterDeleteHelm")
    assert ready.runs("lifecycle")[-2]["values"]["registry"]["internal"]["counter"] == 7
    ready.put("addon-operator", {"registryEnabled": "true"})
    wait(lambda: ready.rendered("counter") == "none")


def test_a_chart_that_helm_cannot_store_fails_in_main_with_helms_words(live: Live) -> None:
    # Random text: Helm's Secret is compressed.
    (live.modules / "900-registry" / "large.txt").write_text(json.dumps([time.time() * n for n in range(300_000)]))
    live.start()
    (task,) = wait(lambda: live.readiness() == 500 and live.failures("main"))
    assert "chart file" in task["error"] or "too large" in task["error"] or "Too long" in task["error"]
