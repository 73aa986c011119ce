# SPDX-License-Identifier: Apache-2.0
"""When a switch fails, is stopped or is changed on the way.

Factors: step at which it happens x what fails (nodes, the new registry, the old one) x what the administrator does
(nothing, retry, pause, abort, other settings, settings back).
"""

from __future__ import annotations

import pytest

from tests.scenarios.direct import FIXED, OTHER, go_on, logins, make_direct, sources, text_sources
from tests.scenarios.direct import upstream as read_upstream
from tests.support.memory_cluster import HOST, PASSWORD, PATH, MemoryCluster, direct

OLD, NEW, THIRD = f"u@https://{HOST}", f"u@https://{OTHER}", "u@https://third.example.com"
TO_OTHER = direct(imagesRepo=f"{OTHER}/deckhouse/ee")
TO_THIRD = direct(imagesRepo="third.example.com/deckhouse/ee")
DEADLINE = 1801


def move(cluster: MemoryCluster) -> None:
    """Let the module, and then the world, take one step."""
    cluster.settle()
    cluster.world()
    cluster.settle()


def fail_new(cluster: MemoryCluster) -> None:
    """Let the new registry hang, long enough to be seen."""
    cluster.dead = {OTHER: False}
    for _ in range(3):
        cluster.wait(40)
        cluster.answer()
        cluster.settle()


@pytest.mark.parametrize("step", ["AddSource/all", "StartProxy/all"])
def test_past_the_deadline_a_switch_goes_back_and_every_node_confirms_it(step: str) -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until=step)
    cluster.report(["worker-1"], result="failing", **{"class": "tls", "message": "unknown authority"})
    cluster.settle()
    cluster.wait(DEADLINE)
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "RollingBack"
    assert (sources(cluster), text_sources(cluster)) == ([OLD], [OLD])
    cluster.report(["master-0", "worker-0"])
    cluster.answer()
    cluster.settle()
    assert cluster.step() == "AddSource/all"  # worker-1 has not said so yet
    move(cluster)
    assert cluster.step() == ""
    assert "given up at step" in cluster.condition("Ready")["message"]
    assert read_upstream(cluster) == f"u:{PASSWORD}@{HOST}{PATH}"
    assert cluster.text("registry-state", "mode") == "Direct"


def test_it_does_not_go_back_to_a_registry_that_is_dead() -> None:
    cluster = make_direct()
    cluster.dead = {HOST: False}
    go_on(cluster, TO_OTHER, until="AddSource/all")
    cluster.report(["master-0", "worker-0"])
    cluster.settle()
    cluster.wait(DEADLINE)
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "Holding"
    assert sources(cluster) == [NEW, OLD]
    cluster.report()
    go_on(cluster)
    assert sources(cluster) == [NEW]


@pytest.mark.parametrize("step", ["PreferNew/canary", "PreferNew/all", "FinaliseNodes/evidence"])
def test_a_new_registry_that_hangs_is_put_behind_the_old_one_at_once(step: str) -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until=step)
    fail_new(cluster)
    assert cluster.condition("Ready")["reason"] == "Holding"
    assert "in front again" in cluster.condition("Ready")["message"]
    assert (sources(cluster), sources(cluster, "master-0")) == ([OLD, NEW], [OLD, NEW])
    assert text_sources(cluster) == [OLD, NEW]
    assert read_upstream(cluster) == f"u:{PASSWORD}@{HOST}{PATH}"
    cluster.wait(DEADLINE)
    move(cluster)
    assert sources(cluster) == [OLD, NEW]
    cluster.dead = {}
    cluster.annotate("retry", "1")
    cluster.settle()
    assert cluster.step() == "PreferNew/canary"
    go_on(cluster)
    assert sources(cluster) == [NEW]


def test_one_bad_answer_of_the_new_registry_is_not_yet_a_failure() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="PreferNew/all")
    cluster.dead = {OTHER: False}
    cluster.wait(15)
    cluster.answer()
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "Switching"


def test_a_hold_keeps_the_new_source_in_front_where_the_old_registry_is_dead() -> None:
    cluster = make_direct()
    cluster.dead = {HOST: False}
    go_on(cluster, TO_OTHER, until="PreferNew/all")
    cluster.dead = {HOST: False, OTHER: False}
    for _ in range(3):
        cluster.wait(40)
        cluster.answer()
        cluster.settle()
    assert cluster.condition("Ready")["reason"] == "Holding"
    assert sources(cluster) == [NEW, OLD]


def test_settings_set_back_at_a_hold_turn_the_switch_round() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="PreferNew/all")
    fail_new(cluster)
    steps = go_on(cluster, direct())
    assert steps[0] == "StartProxy/all"
    assert "CheckImages/all" not in steps
    assert sources(cluster) == [OLD]
    assert read_upstream(cluster) == f"u:{PASSWORD}@{HOST}{PATH}"
    assert cluster.condition("Ready")["status"] == "True"


def test_a_third_registry_at_a_hold_comes_after_the_way_back() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="PreferNew/all")
    fail_new(cluster)
    cluster.edit(TO_THIRD)
    for _ in range(80):
        cluster.settle()
        assert len(sources(cluster)) <= 2
        if not cluster.step() and cluster.condition("Ready")["status"] == "True":
            break
        cluster.world()
        cluster.wait(5)
    assert sources(cluster) == [THIRD]


@pytest.mark.parametrize("step", ["CheckImages/all", "AddSource/canary", "AddSource/all", "StartProxy/all"])
def test_a_third_registry_replaces_the_candidate_at_once_before_the_point_of_no_return(step: str) -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until=step)
    cluster.edit(TO_THIRD)
    cluster.settle()
    assert cluster.step() == "CheckImages/all"
    assert sources(cluster, "master-0") == [OLD]
    go_on(cluster)
    assert sources(cluster) == [THIRD]


def test_a_third_registry_leaves_the_dead_one_behind() -> None:
    cluster = make_direct()
    cluster.dead = {HOST: False}
    go_on(cluster, direct(imagesRepo=f"{OTHER}/deckhouse/ee", password="new-pass"), until="StartProxy/all")
    cluster.edit(direct(imagesRepo="third.example.com/deckhouse/ee", password="third-pass"))
    cluster.settle()
    assert cluster.step() == "CheckImages/all"
    assert sources(cluster) == [NEW]
    assert logins(cluster) == [(FIXED, PASSWORD)]  # what nodes have not all proven is not given to the platform
    go_on(cluster)
    assert sources(cluster) == [THIRD]
    assert logins(cluster) == [(FIXED, "third-pass")]


@pytest.mark.parametrize("step", ["AddSource/canary", "AddSource/all"])
def test_a_dead_registry_is_not_given_up_for_one_that_not_every_node_has_proven(step: str) -> None:
    cluster = make_direct()
    cluster.dead = {HOST: False}
    go_on(cluster, direct(imagesRepo=f"{OTHER}/deckhouse/ee", password="new-pass"), until=step)
    cluster.edit(direct(imagesRepo="third.example.com/deckhouse/ee", password="third-pass"))
    cluster.settle()
    assert cluster.step() == "CheckImages/all"
    assert text_sources(cluster) == [OLD]  # what the platform's step brings needs no proof of the node
    go_on(cluster)
    assert sources(cluster) == [THIRD]


def test_after_a_dead_registry_was_given_up_for_a_third_that_fails_the_pull_secret_follows_the_second() -> None:
    cluster = make_direct()
    cluster.dead = {HOST: False}
    go_on(cluster, direct(imagesRepo=f"{OTHER}/deckhouse/ee", password="new-pass"), until="StartProxy/all")
    cluster.dead = {HOST: False, "third.example.com": False}
    cluster.edit(direct(imagesRepo="third.example.com/deckhouse/ee", password="third-pass"))
    for _ in range(60):
        cluster.settle()
        if logins(cluster) == [(FIXED, "new-pass")] and not cluster.step():
            break
        cluster.world()
        cluster.wait(90)
    assert sources(cluster) == [NEW]
    assert cluster.condition("Ready")["status"] == "False"
    assert "third.example.com" in cluster.condition("Ready")["message"]
    assert logins(cluster) == [(FIXED, "new-pass")]


def test_other_settings_past_the_point_of_no_return_wait_for_the_end() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="PreferNew/all")
    cluster.edit(TO_THIRD)
    cluster.settle()
    assert cluster.step() == "PreferNew/all"
    go_on(cluster, until="CheckImages/all")
    assert sources(cluster) == [NEW]
    go_on(cluster)
    assert sources(cluster) == [THIRD]


def test_invalid_settings_in_mid_switch_are_told_and_not_followed() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="AddSource/all")
    cluster.edit({"mode": "Sideways"})
    cluster.settle()
    assert cluster.step() == "AddSource/all"
    assert "invalid" in cluster.condition("Ready")["message"]


def test_abort_before_the_point_of_no_return_rolls_back_and_is_not_tried_again() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="StartProxy/all")
    cluster.annotate("abort", "1")
    go_on(cluster)
    assert sources(cluster) == [OLD]
    assert cluster.condition("Ready")["reason"] == "Aborted"
    cluster.annotate("retry", "1")
    go_on(cluster)
    assert sources(cluster) == [NEW]


def test_abort_goes_back_to_a_dead_registry_too_because_it_was_asked_for() -> None:
    cluster = make_direct()
    cluster.dead = {HOST: False}
    go_on(cluster, TO_OTHER, until="StartProxy/all")
    cluster.annotate("abort", "1")
    go_on(cluster)
    assert sources(cluster) == [OLD]
    assert cluster.condition("Ready")["reason"] == "Aborted"


@pytest.mark.parametrize("step", ["SwitchAddress/all", "PreferNew/all", "FinaliseNodes/evidence"])
def test_abort_past_it_turns_a_first_switch_round_while_both_sources_stand(step: str) -> None:
    cluster = MemoryCluster()
    cluster.settle()
    cluster.report()
    cluster.settle()
    go_on(cluster, direct(), until=step)
    cluster.annotate("abort", "1")
    cluster.settle()
    go_on(cluster)
    assert cluster.text("registry-state", "mode") == "Unmanaged"
    assert cluster.data("deckhouse-registry")["address"] == HOST
    assert list(cluster.folders("worker-0")) == [HOST]
    assert cluster.condition("Ready")["reason"] == "Aborted"


@pytest.mark.parametrize("step", ["SwitchAddress/all", "PreferNew/all", "FinaliseNodes/evidence"])
def test_abort_turns_a_return_to_unmanaged_round_and_the_fixed_address_works_all_the_time(step: str) -> None:
    cluster = make_direct()
    go_on(cluster, {"mode": "Unmanaged"}, until=step)
    cluster.annotate("abort", "1")
    for _ in range(80):
        cluster.settle()
        assert FIXED in cluster.folders("worker-0")
        assert text_sources(cluster) == [OLD]
        assert cluster.values["internal"]["proxy"]["enabled"] is True
        assert read_upstream(cluster) == f"u:{PASSWORD}@{HOST}{PATH}"
        if not cluster.step():
            break
        cluster.world()
        cluster.wait(5)
    assert logins(cluster) == [(FIXED, PASSWORD)]
    assert list(cluster.folders("worker-0")) == [FIXED]
    assert cluster.condition("Ready")["reason"] == "Aborted"


def test_abort_when_the_old_source_is_going_is_too_late() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="FinaliseNodes/all")
    cluster.annotate("abort", "1")
    go_on(cluster)
    assert sources(cluster) == [NEW]


def test_pause_stands_still_and_its_time_does_not_count() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="AddSource/all")
    cluster.annotate("pause", "1")
    for _ in range(3):
        move(cluster)
        cluster.wait(DEADLINE)
    assert cluster.step() == "AddSource/all"
    assert cluster.condition("Ready")["reason"] == "Paused"
    cluster.annotate("pause", None)
    cluster.settle()
    assert cluster.condition("Ready")["reason"] != "RollingBack"
    go_on(cluster)
    assert sources(cluster) == [NEW]


def test_the_same_pause_works_again_after_it_was_taken_away() -> None:
    cluster = make_direct()
    for _ in range(2):
        cluster.annotate("pause", "yes")
        cluster.settle()
        assert "paused" in cluster.condition("Ready")["message"]
        cluster.annotate("pause", None)
        cluster.settle()
        assert "paused" not in cluster.condition("Ready")["message"]


def test_while_paused_nothing_is_put_back_and_other_settings_are_not_followed() -> None:
    cluster = make_direct()
    cluster.annotate("pause", "1")
    cluster.settle()
    cluster.put_secret("registry-bashible-config", {"config": "edited"})
    cluster.edit(TO_OTHER)
    cluster.settle()
    assert cluster.text("registry-bashible-config", "config") == "edited"
    assert cluster.step() == ""
    cluster.annotate("retry", "1")
    go_on(cluster)
    assert sources(cluster) == [NEW]


def test_with_on_failure_hold_nothing_goes_back() -> None:
    cluster = make_direct()
    cluster.values["onFailure"] = "Hold"
    go_on(cluster, TO_OTHER, until="AddSource/all")
    cluster.report(["master-0"])
    cluster.settle()
    cluster.wait(DEADLINE)
    cluster.settle()
    assert cluster.step() == "AddSource/all"
    assert cluster.condition("Ready")["reason"] == "Holding"
    assert sources(cluster) == [OLD, NEW]
    go_on(cluster)


def test_an_image_that_the_new_registry_lacks_keeps_the_old_source() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="FinaliseNodes/evidence")
    gone, shop = "sha256:" + "9" * 64, "sha256:" + "8" * 64
    cluster.lacking = {OTHER: {gone, shop}}
    cluster.collect(in_use=((gone, "CronJob d8-monitoring/report"), (shop, "Deployment shop/cart")))
    move_without_collecting(cluster)
    condition = cluster.condition("FinalContainerdConfigReady")
    assert condition["reason"] == "OldAddressInUse"
    assert "CronJob d8-monitoring/report" in condition["message"]
    revoke = cluster.text("registry-state", "revoke")
    assert revoke.startswith("no, because")
    assert "Deployment shop/cart" in revoke
    cluster.collect(in_use=((shop, "Deployment shop/cart"),))
    move_without_collecting(cluster)
    assert cluster.condition("FinalContainerdConfigReady")["reason"] == "OldAddressInUseByUsers"
    cluster.annotate("finalise", "1")
    cluster.wait(601)
    cluster.settle()
    assert cluster.step() == "FinaliseNodes/all"
    go_on(cluster)
    assert "Deployment shop/cart" in cluster.text("registry-state", "revoke")


def test_pods_that_come_and_go_do_not_put_the_question_of_their_images_anew() -> None:
    cluster = make_direct()
    go_on(cluster, TO_OTHER, until="FinaliseNodes/evidence")
    first, second = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    for reference in (first, second):
        cluster.collect(in_use=((reference, "Pod d8-monitoring/report-1"),))
        cluster.settle()
    asked = cluster.text("registry-questions", "questions")
    assert first in asked
    assert second in asked
    cluster.collect(in_use=((first, "Pod d8-monitoring/report-2"),))
    cluster.settle()
    assert cluster.text("registry-questions", "questions") == asked
    # Only what is in use now can hold the old source.
    cluster.lacking = {OTHER: {second}}
    move_without_collecting(cluster)
    assert cluster.step() == "FinaliseNodes/all"


def move_without_collecting(cluster: MemoryCluster) -> None:
    """Let the probe answer what is asked because of the evidence."""
    cluster.settle()
    cluster.answer()
    cluster.settle()
