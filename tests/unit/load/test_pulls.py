# SPDX-License-Identifier: Apache-2.0
"""A pull counts only with the evidence of a registry's own journal; a failed one stays failed."""

from typing import Any

import pytest

from box.load.pulls import Outcome, find_gaps, find_idle_steps, judge_pulls
from box.registries.journal import Kind
from box.watch.timing import StepSpan
from tests.unit.judge.facts import B, at, make_entry, make_evidence, make_pull, make_tenant_pull


def test_a_failed_pull_is_not_made_good_by_what_the_registry_logged() -> None:
    failed = make_pull(outcome=Outcome.FAILED, reason="event Failed")
    judged = judge_pulls([failed], make_evidence(failed))
    assert judged.failed == (failed,)
    assert judged.counted == ()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"remote": "10.111.0.20"}, id="another node asked"),
        pytest.param({"time": at(0.5)}, id="before the pod was made"),
        pytest.param({"time": at(5)}, id="after the pull"),
        pytest.param({"status": 401}, id="refused"),
        pytest.param({"reference": "sha256:m2"}, id="another manifest"),
    ],
)
def test_a_manifest_request_counts_only_from_its_node_in_its_window_answered(change: dict[str, Any]) -> None:
    pull = make_pull()
    blob = make_entry(kind=Kind.BLOB, reference="sha256:config1")
    judged = judge_pulls([pull], [make_entry(**change), blob])
    assert judged.counted == ()
    ((_, why),) = judged.uncounted
    assert "manifest request of 10.111.0.10" in why


def test_a_blob_of_another_image_is_no_evidence() -> None:
    pull = make_pull()
    judged = judge_pulls([pull], [make_entry(), make_entry(kind=Kind.BLOB, reference="sha256:foreign")])
    ((_, why),) = judged.uncounted
    assert why == "no registry logged a blob request of 10.111.0.10 for it"


def test_any_source_may_deliver_the_platforms_images_and_the_parts_may_come_from_two() -> None:
    pull = make_pull()
    manifest, *blobs = make_evidence(pull)
    moved = make_entry(time=manifest.time, registry=B, reference=manifest.reference)
    assert judge_pulls([pull], [moved, *blobs]).counted == (pull,)


def test_a_tenants_image_counts_only_at_the_tenants_registry() -> None:
    pull = make_tenant_pull()
    evidence = make_evidence(pull)
    assert judge_pulls([pull], evidence).counted == (pull,)
    abroad = [make_entry(time=one.time, registry=B, kind=one.kind, reference=one.reference) for one in evidence]
    ((_, why),) = judge_pulls([pull], abroad).uncounted
    assert why == "registry-a logged no manifest request and blob request of 10.111.0.10 for it"


def test_a_pod_that_never_came_to_its_pull_does_not_count_as_good() -> None:
    unclear = make_pull(outcome=Outcome.UNCLEAR, reason="no pull in 60 s")
    judged = judge_pulls([unclear], make_evidence(unclear))
    assert judged.uncounted == ((unclear, "no pull in 60 s"),)


def test_gaps_reach_from_the_edit_to_the_end() -> None:
    pulls = [make_pull(started=at(2), ended=at(3))]
    assert find_gaps(pulls, ["master-0"], at(0), at(9)) == (("master-0", 7.0),)


def test_a_step_without_a_pull_under_way_is_found() -> None:
    spans = (StepSpan(name="a", started=at(0), ended=at(1.5)), StepSpan(name="b", started=at(4), ended=at(5)))
    assert find_idle_steps([make_pull(started=at(1), ended=at(3))], spans) == ("b",)
