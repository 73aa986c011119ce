# SPDX-License-Identifier: Apache-2.0
"""The runner ended in mid-run: what becomes of the hook, of its results, of its files, and of what happened meanwhile.

Factors: SIGTERM, SIGKILL, a death after a given write; a short hook, one longer than 30 s; the start that follows.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.live_runner import NAMESPACE, Live, wait

pytestmark = [pytest.mark.box, pytest.mark.timeout(120)]


def _create(*names: str) -> str:
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}} for name in names
    ]
    return "\n".join(json.dumps({"operation": "CreateOrUpdate", "object": item}) for item in objects)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}


def _begin(live: Live, **play: Any) -> int:
    """Let hook `events` be in the middle of a run; answers its pid."""
    seen = len(live.runs("events"))
    live.do("events", only=["Event"], **play)
    live.put("one", {"a": str(seen)}, sample="yes")
    wait(lambda: len(live.runs("events")) == seen + 1)
    return int(live.runs("events")[-1]["pid"])


def test_sigterm_waits_for_the_running_hook_and_applies_its_results(ready: Live) -> None:
    _begin(ready, sleep=3, kube=_create("made"))
    assert ready.stop() > 1.5
    assert ready.get("made") is not None
    assert list((ready.folder / "tmp").glob("hook-*")) == []


def test_sigterm_drops_what_waits_in_the_queues(ready: Live) -> None:
    _begin(ready, sleep=2)
    ready.put("two", {"a": "1"}, sample="yes")
    ready.stop()
    assert len(ready.runs("events")) == 2
    ready.start()
    wait(lambda: ready.readiness() == 200)
    (context,) = ready.runs("events")[2]["contexts"]
    assert (context["type"], len(context["objects"])) == ("Synchronization", 2)


@pytest.mark.full
def test_sigterm_waits_no_longer_than_half_a_minute_and_the_hook_goes_on_as_an_orphan(ready: Live) -> None:
    hook = _begin(ready, sleep=40, kube=_create("made"))
    assert 29 < ready.stop() < 33
    assert _is_running(hook)
    wait(lambda: not _is_running(hook), 20)
    assert len(ready.ended("events")) == 2
    assert ready.get("made") is None


def test_sigkill_leaves_an_orphan_whose_results_are_lost_and_files_with_values_that_no_start_removes(
    ready: Live,
) -> None:
    hook = _begin(ready, sleep=2, kube=_create("made"))
    ready.kill()
    assert _is_running(hook)
    wait(lambda: not _is_running(hook))
    assert len(ready.ended("events")) == 2
    assert ready.get("made") is None
    left = sorted((ready.folder / "tmp").glob("hook-*"))
    assert len(left) == 7
    assert {path.stat().st_mode & 0o777 for path in left} == {0o644}
    assert any('"registry"' in path.read_text() for path in left if path.name.endswith("-values"))
    ready.start()
    wait(lambda: ready.readiness() == 200)
    assert sorted((ready.folder / "tmp").glob("hook-*")) == left


def test_no_event_is_replayed_after_a_restart_and_what_happened_meanwhile_shows_in_synchronization(ready: Live) -> None:
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: len(ready.runs("events")) == 2)
    ready.stop()
    ready.put("one", {"a": "1"}, sample="yes")
    ready.put("two", {"b": "1"}, sample="yes")
    ready.start()
    wait(lambda: ready.readiness() == 200)
    (context,) = ready.runs("events")[2]["contexts"]
    assert context["type"] == "Synchronization"
    assert [item["filterResult"] for item in context["objects"]] == [{"a": "1"}, {"b": "1"}]
    assert len(ready.runs("events")) == 3


@pytest.mark.parametrize(
    ("fuse", "written"),
    [
        pytest.param("writes=1", ["w1"], id="the first write"),
        pytest.param("writes=2", ["w1", "w2"], id="the second write"),
        pytest.param("writes=1&name=w2", ["w1", "w2"], id="a named object"),
    ],
)
def test_an_armed_runner_dies_right_after_the_given_write(ready: Live, fuse: str, written: list[str]) -> None:
    ready.debug(f"/fuse?{fuse}")
    ready.do("events", only=["Event"], kube=_create("w1", "w2", "w3"))
    ready.put("one", {"a": "0"}, sample="yes")
    assert ready.process is not None
    assert ready.process.wait(20) == -9
    assert [name for name in ("w1", "w2", "w3") if ready.get(name)] == written


def test_a_fuse_that_is_taken_back_does_not_blow(ready: Live) -> None:
    ready.debug("/fuse?writes=1")
    ready.debug("/fuse?writes=0")
    ready.do("events", only=["Event"], kube=_create("w1"))
    ready.put("one", {"a": "0"}, sample="yes")
    wait(lambda: ready.get("w1"))
    assert ready.readiness() == 200


def test_queue_list_of_a_dead_runner_says_so(live: Live) -> None:
    environment = {**os.environ, "DEBUG_UNIX_SOCKET": str(live.folder / "none.sock")}
    done = subprocess.run(
        [*live.command, "queue", "list"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no runner answers on" in done.stdout
