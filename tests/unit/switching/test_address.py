# SPDX-License-Identifier: Apache-2.0
"""The pull secret while a login changes. Factors: modes of old and new x stage x who the proxy must know."""

from dataclasses import replace

import pytest
from d8registry.model.endpoint import Credentials, Endpoint
from d8registry.model.secret import Secret
from d8registry.model.settings import Mode
from d8registry.model.state import Generation, PullAddress, State
from d8registry.switching.address import build_address, build_steady_address, list_users
from d8registry.switching.advance import begin
from d8registry.switching.plans import TRANSITIONS, Address

from tests.support.memory_cluster import MemoryCluster

FIXED = "registry.d8-system.svc:5001"
OLD = Credentials(username="old", password=Secret("o"))
NEW = Credentials(username="new", password=Secret("n"))
THIRD = Credentials(username="third", password=Secret("t"))
NOW = MemoryCluster().now


def make_state(before: Mode, after: Mode) -> State:
    current = Generation(number=1, mode=before, endpoint=Endpoint(host="a.test", path="/d8", credentials=OLD))
    candidate = Generation(number=2, mode=after, endpoint=Endpoint(host="b.test", path="/d8", credentials=NEW))
    plan = TRANSITIONS[(before, after)]
    switch = begin(plan, plan.stages[0], candidate, NOW)
    return State(revision=1, current=current, switch=switch, address=build_steady_address(current), epoch="0", salt="0")


def entries(address: PullAddress | None) -> list[tuple[str, str]]:
    assert address is not None
    return [(key, credentials.username) for key, credentials in address.entries]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(Mode.UNMANAGED, Mode.DIRECT, [(FIXED, "new"), ("a.test", "old")], id="to Direct"),
        pytest.param(Mode.DIRECT, Mode.UNMANAGED, [("b.test", "new"), (FIXED, "old")], id="to Unmanaged"),
        pytest.param(
            Mode.DIRECT, Mode.DIRECT, [(f"{FIXED}/system/deckhouse", "new"), (FIXED, "old")], id="within Direct"
        ),
    ],
)
def test_both_entries_stand_under_keys_of_their_own(before: Mode, after: Mode, expected: list[tuple[str, str]]) -> None:
    assert entries(build_address(make_state(before, after), Address.BOTH)) == expected


def test_a_stage_that_keeps_the_secret_keeps_what_was_last_decided() -> None:
    state = make_state(Mode.DIRECT, Mode.DIRECT)
    assert build_address(state, Address.KEEP) is state.address


def test_who_left_the_secret_in_mid_switch_stays_known_to_the_proxy_while_copies_follow() -> None:
    """A third registry after a hold: copies name the first one's user until they have the next two entries."""
    state = make_state(Mode.DIRECT, Mode.DIRECT)
    held = replace(state, address=build_address(state, Address.BOTH))
    assert held.switch is not None
    given_up = replace(held, current=held.switch.candidate)
    third = replace(held.switch.candidate, endpoint=Endpoint(host="c.test", path="/d8", credentials=THIRD))
    moved = replace(given_up, switch=replace(held.switch, candidate=third))
    moved = replace(moved, address=build_address(moved, Address.BOTH))
    assert entries(moved.address) == [(f"{FIXED}/system/deckhouse", "third"), (FIXED, "new")]
    assert {user.username for user in list_users(moved)} == {"third", "new", "old"}
    ended = replace(moved, address=build_address(moved, Address.NEW))
    assert [user.username for user in list_users(ended)] == ["third"]


def test_at_the_end_the_new_login_stands_alone_under_the_plain_host() -> None:
    assert entries(build_address(make_state(Mode.DIRECT, Mode.DIRECT), Address.NEW)) == [(FIXED, "new")]


def test_in_unmanaged_at_rest_the_secret_is_the_platforms_own() -> None:
    assert build_steady_address(make_state(Mode.UNMANAGED, Mode.DIRECT).current) is None


def test_the_proxy_must_know_who_the_secret_names_for_the_fixed_address_only() -> None:
    state = make_state(Mode.DIRECT, Mode.UNMANAGED)
    both = replace(state, address=build_address(state, Address.BOTH))
    assert list_users(both) == (OLD,)
