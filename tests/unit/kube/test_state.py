# SPDX-License-Identifier: Apache-2.0
"""Secret registry-state: what is written is read back, whatever the state is."""

import base64
from datetime import UTC, datetime

import pytest
from d8registry.errors import StateUnreadable
from d8registry.kube.state import parse_state, render_state
from d8registry.model.endpoint import Base, Credentials, Endpoint, Scheme
from d8registry.model.secret import Secret
from d8registry.model.settings import CheckMode, Mode
from d8registry.model.state import (
    Generation,
    Hold,
    Phase,
    PullAddress,
    Refusal,
    Standing,
    State,
    Step,
    Switch,
)
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=0)
)
CREDENTIALS = st.builds(Credentials, username=TEXT, password=TEXT.map(Secret))
ENDPOINTS = st.builds(
    Endpoint,
    host=TEXT,
    path=TEXT,
    scheme=st.sampled_from(Scheme),
    ca=st.just("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n") | st.just(""),
    credentials=CREDENTIALS,
)
REFUSALS = st.builds(Refusal, fingerprint=TEXT, step=st.sampled_from(Step), reason=TEXT, message=TEXT)
ADDRESSES = st.builds(
    PullAddress,
    base=st.builds(Base, host=TEXT, path=TEXT),
    scheme=st.sampled_from(Scheme),
    ca=TEXT,
    entries=st.lists(st.tuples(TEXT, CREDENTIALS), max_size=2).map(tuple),
)
GENERATIONS = st.builds(
    Generation,
    number=st.integers(1, 99),
    mode=st.sampled_from(Mode),
    endpoint=ENDPOINTS,
    check_mode=st.sampled_from(CheckMode),
)
SWITCHES = st.builds(
    Switch,
    plan=st.just("unmanaged-to-direct/2"),
    candidate=GENERATIONS,
    step=st.sampled_from(Step),
    phase=st.sampled_from(Phase),
    started=TIMES,
    since=TIMES,
    progressed=TIMES,
    progress=TEXT,
    canaries=st.lists(TEXT, max_size=3).map(tuple),
    in_place=TIMES | st.none(),
    keep_host_ca=st.booleans(),
    old=st.sampled_from(Standing),
    restarts=st.lists(TEXT, max_size=2).map(tuple),
    hold=st.builds(Hold, reason=TEXT, message=TEXT, since=TIMES, is_turned=st.booleans()) | st.none(),
    is_return=st.booleans(),
    failure=REFUSALS | st.none(),
    is_mending=st.booleans(),
)
STATES = st.builds(
    State,
    revision=st.integers(1, 10**7),
    current=GENERATIONS,
    switch=SWITCHES | st.none(),
    refusal=REFUSALS | st.none(),
    address=ADDRESSES | st.none(),
    owns_real_host=st.booleans(),
    generations=st.integers(1, 99),
    counter=st.integers(1, 10**7),
    epoch=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    salt=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    requests=st.dictionaries(st.sampled_from(["retry", "abort"]), TEXT).map(lambda found: tuple(sorted(found.items()))),
    retained_hosts=st.lists(ENDPOINTS, max_size=2).map(tuple),
    leftovers=st.lists(TEXT, max_size=2).map(tuple),
    is_paused=st.booleans(),
    is_travelled=st.booleans(),
)


def secret(text: str, revision: int = 1) -> dict[str, object]:
    annotations = {"registry.deckhouse.io/revision": str(revision)}
    data = {"state": base64.b64encode(text.encode()).decode()}
    return {"metadata": {"name": "registry-state", "annotations": annotations}, "data": data}


@given(STATES)
def test_what_is_rendered_is_parsed(state: State) -> None:
    assert parse_state(secret(render_state(state), state.revision)) == state


@given(STATES)
def test_equal_states_give_equal_bytes(state: State) -> None:
    again = parse_state(secret(render_state(state), state.revision))
    assert again is not None
    assert render_state(again) == render_state(state)


def test_an_absent_secret_or_key_is_no_state() -> None:
    assert parse_state(None) is None
    assert parse_state({"metadata": {}, "data": {}}) is None


@pytest.mark.parametrize("text", ["", "[]", "schema: 1\n", "{broken", "schema: 3\n"])
def test_what_cannot_be_understood_is_said_to_be(text: str) -> None:
    with pytest.raises(StateUnreadable, match="registry-state"):
        parse_state(secret(text))
