# SPDX-License-Identifier: Apache-2.0
"""Two modules in one runner: queue `main` is one for both, and the broken one holds the other.

Factors: a failing hook, a chart that does not render; at the start, later; hooks of the other module in `main`, in a
queue of their own; the way back.
"""

from __future__ import annotations

import shutil

import pytest

from tests.support.live_runner import EVENTS, ROOT, Live, wait

pytestmark = [pytest.mark.box, pytest.mark.timeout(120)]

REASON = "neighbour-breaks"


@pytest.fixture
def pair(live: Live) -> Live:
    """A runner with the box's module `neighbour` before the sample module."""
    shutil.copytree(ROOT / "box" / "neighbour", live.modules / "800-neighbour")
    (live.modules / "values.yaml").write_text("registryEnabled: true\nneighbourEnabled: true\n")
    return live


@pytest.fixture
def both(pair: Live) -> Live:
    pair.start()
    wait(lambda: pair.readiness() == 200)
    return pair


def _values(live: Live, value: int) -> None:
    live.do("events", only=["Event"], values=[{"op": "add", "path": "/registry/internal/counter", "value": value}])
    live.put("one", {"a": str(value)}, sample="yes")
    wait(lambda: live.runs("events")[-1]["contexts"][-1].get("filterResult") == {"a": str(value)})


def test_both_modules_are_started_in_their_order_and_see_their_own_values(both: Live) -> None:
    assert both.get("neighbour") is not None
    assert both.rendered("message") == "hello"
    log = both.log()
    assert log.index('"module": "neighbour", "reason": "start"') < log.index('"module": "registry", "reason": "start"')
    assert set(both.runs("lifecycle")[-1]["values"]) == {"global", "registry"}


@pytest.mark.parametrize("way", ["hook", "chart"])
def test_a_broken_neighbour_holds_main_until_it_is_mended_while_named_queues_go_on(both: Live, way: str) -> None:
    if way == "hook":
        both.put(REASON, {})
    else:
        both.put("addon-operator", {"neighbour": "broken: true"})
    (task,) = wait(lambda: both.failures("main"))
    assert "module neighbour is broken on purpose" in task["error"]
    _values(both, 1)
    # The hook ran, its values are kept, the chart does not get them.
    (waiting,) = wait(lambda: [task for task in both.queues()["main"] if "registry" in task["task"]])
    assert waiting["task"] == "ModuleRun registry (values changed by hooks/events.py)"
    assert (both.rendered("counter"), both.readiness(), both.queues()[EVENTS]) == ("none", 200, [])
    if way == "hook":
        both.delete(REASON)
    else:
        both.put("addon-operator", {"neighbour": "broken: false"})
    wait(lambda: both.rendered("counter") == "1", 40)
    assert both.queues()["main"] == []


def test_a_neighbour_that_is_broken_at_the_start_holds_the_start_of_the_other(pair: Live) -> None:
    pair.put(REASON, {})
    pair.start()
    (task,) = wait(lambda: pair.readiness() == 500 and pair.failures("main"))
    assert "neighbour" in task["task"]
    assert (pair.runs("lifecycle"), pair.runs("events"), pair.get("rendered")) == ([], [], None)
    pair.delete(REASON)
    wait(lambda: pair.readiness() == 200)
    assert pair.rendered("message") == "hello"


def test_a_change_of_global_values_runs_every_module(both: Live) -> None:
    runs = both.log().count("module run done")
    both.put("addon-operator", {"global": "modulesImages: {digests: {registry: {proxy: 'sha256:abc'}}}"})
    wait(lambda: both.log().count("module run done") == runs + 2)
    assert both.rendered("digest") == "sha256:abc"


def test_disabling_one_module_leaves_the_other(both: Live) -> None:
    both.put("addon-operator", {"neighbourEnabled": "false"})
    wait(lambda: both.get("neighbour") is None)
    _values(both, 3)
    wait(lambda: both.rendered("counter") == "3")
