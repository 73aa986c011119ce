# SPDX-License-Identifier: Apache-2.0
"""The judge of the demo: each planted violation makes it fail, and nothing else does."""

from typing import Any

import pytest

from box.demo.pods import is_cut_off
from box.demo.pulls import Outcome, find_gaps, find_idle_steps, judge_pulls
from box.demo.summary import Proof, list_failures, list_wrongs, render_figures, render_steps
from box.demo.timing import StepSpan
from box.registries.journal import Kind
from tests.unit.box_demo.facts import NODES, at, make_evidence, make_load, make_pull, make_request, make_result


def test_a_switch_without_fault_has_no_failure_and_the_line_of_figures() -> None:
    result = make_result()
    assert list_failures(result) == ()
    assert render_figures(result) == "ready_s=20.0 failed_pulls=0 pulls=20 restarted=1 nodes=2"


def test_one_failed_pull_fails_the_demo_and_names_node_step_and_reason() -> None:
    failed = make_pull(outcome=Outcome.FAILED, reason="ErrImagePull: 401 Unauthorized", started=at(5), ended=at(6))
    result = make_result([*make_load(), failed])
    (reason,) = list_failures(result)
    assert "master-0" in reason
    assert "CheckImages" in reason
    assert "ErrImagePull: 401" in reason
    assert "failed_pulls=1" in render_figures(result)


def test_a_failed_pull_is_not_made_good_by_what_the_registry_logged() -> None:
    failed = make_pull(outcome=Outcome.FAILED, reason="event Failed")
    judged = judge_pulls([failed], make_evidence(failed))
    assert judged.failed == (failed,)
    assert judged.counted == ()


def test_a_pull_without_any_request_in_the_log_fails_the_demo() -> None:
    load = make_load()
    requests = [one for pull in load for one in make_evidence(pull)]
    unseen = make_pull(digest="sha256:other", blobs=frozenset({"sha256:own"}), started=at(5), ended=at(6))
    (reason,) = list_failures(make_result([*load, unseen], requests))
    assert "pull without evidence" in reason
    assert "no manifest request and no blob request of 10.111.0.10" in reason


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        pytest.param({"remote": "10.111.0.20"}, "manifest", id="another node asked"),
        pytest.param({"time": at(0.5)}, "manifest", id="before the pod was made"),
        pytest.param({"time": at(5)}, "manifest", id="after the pull"),
        pytest.param({"status": 401}, "manifest", id="refused"),
        pytest.param({"reference": "sha256:m2"}, "manifest", id="another manifest"),
    ],
)
def test_a_manifest_request_counts_only_from_its_node_in_its_window_answered(
    change: dict[str, object], lacks: str
) -> None:
    pull = make_pull()
    blob = make_request(kind=Kind.BLOB, reference="sha256:config1")
    judged = judge_pulls([pull], [make_request(**change), blob])
    assert judged.counted == ()
    ((_, why),) = judged.uncounted
    assert f"no {lacks} request" in why


def test_a_blob_of_another_image_is_no_evidence() -> None:
    pull = make_pull()
    judged = judge_pulls([pull], [make_request(), make_request(kind=Kind.BLOB, reference="sha256:foreign")])
    ((_, why),) = judged.uncounted
    assert why == "the registry logged no blob request of 10.111.0.10 for it"


def test_a_pod_that_never_came_to_its_pull_does_not_count_as_good() -> None:
    unclear = make_pull(outcome=Outcome.UNCLEAR, reason="no pull in 60 s")
    judged = judge_pulls([unclear], make_evidence(unclear))
    assert judged.uncounted == ((unclear, "no pull in 60 s"),)


def test_a_pull_cut_by_containerds_one_restart_is_told_apart_and_a_second_time_on_a_node_fails() -> None:
    cut = make_pull(outcome=Outcome.CUT, reason="RunContainerError: error reading from server: EOF")
    judged = judge_pulls([cut], make_evidence(cut))
    assert (judged.cut, judged.failed, judged.uncounted, judged.counted) == ((cut,), (), (), ())
    again = make_pull(outcome=Outcome.CUT, started=at(20), ended=at(21))
    assert list_wrongs(make_result([*make_load(), cut])) == ()
    assert list_wrongs(make_result([*make_load(), cut, again])) == ("pulls were cut at two times on master-0",)


@pytest.mark.parametrize(
    ("reason", "cut"),
    [
        ("ErrImagePull: rpc error: code = Unavailable desc = error reading from server: EOF", True),
        ("dial unix /run/containerd/containerd.sock: connect: connection refused", True),
        ("ErrImagePull: dial tcp 10.111.0.100:443: connect: connection refused", False),
        ("ErrImagePull: failed to copy: httpReadSeeker: unexpected EOF", False),
    ],
)
def test_only_the_kubelets_connection_to_containerd_counts_as_cut(reason: str, cut: bool) -> None:
    assert is_cut_off(reason) is cut


def test_a_gap_in_the_load_of_one_node_fails_the_demo() -> None:
    load = [one for one in make_load() if one.node == "master-0" or not 4 <= (one.started - at(0)).seconds <= 8]
    reasons = list_failures(make_result(load))
    assert reasons == ("the load left worker-0 without a new pull for 8.0 s (at most 3 s)",)


def test_gaps_reach_from_the_edit_to_the_end() -> None:
    pulls = [make_pull(started=at(2), ended=at(3))]
    assert find_gaps(pulls, ["master-0"], at(0), at(9)) == (("master-0", 7.0),)


def test_a_step_without_a_pull_under_way_is_found() -> None:
    spans = (StepSpan(name="a", started=at(0), ended=at(1.5)), StepSpan(name="b", started=at(4), ended=at(5)))
    assert find_idle_steps([make_pull(started=at(1), ended=at(3))], spans) == ("b",)


def test_a_node_that_never_pulled_the_new_base_fails_the_demo() -> None:
    load = [make_pull(node=one.node, started=one.started, ended=one.ended) for one in make_load()]
    assert list_failures(make_result(load)) == tuple(f"no pull of the new base counts on {node}" for node in NODES)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"ready": None, "stopped": "AuthFailed: 401"}, "did not end: AuthFailed: 401", id="never Ready"),
        pytest.param({"proofs": ()}, "no proof was made", id="no proofs"),
        pytest.param(
            {"proofs": (Proof(name="nodes", problems=("worker-0: still holds credentials",)),)},
            "proof failed: nodes: worker-0: still holds credentials",
            id="old credential on a node",
        ),
        pytest.param({"leaks": ("operator.log",)}, "credential stands in operator.log", id="secret in a log"),
        pytest.param({"broken": ("worker-0: BoxError",)}, "could not make a pull", id="a try that broke"),
    ],
)
def test_each_other_fault_fails_the_demo(changes: dict[str, Any], words: str) -> None:
    (reason,) = list_failures(make_result(**changes))
    assert words in reason


def test_ready_after_two_minutes_is_too_late() -> None:
    assert any("not within 180 s" in one for one in list_failures(make_result(ready=at(181))))


def test_the_table_of_steps_shows_seconds_and_pulls_by_base() -> None:
    result = make_result()
    lines = render_steps(result.spans, result.pulls, at(20)).splitlines()
    assert lines[1].split() == ["CheckImages", "8.0", "10,", "0"]
    assert lines[2].split() == ["CleanUp", "12.0", "2,", "10"]
