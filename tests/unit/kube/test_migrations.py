# SPDX-License-Identifier: Apache-2.0
"""States that earlier releases left behind, as those releases wrote them (tests/golden/state/schema-N)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from d8registry.kube.state import parse_state, render_state
from d8registry.model.settings import Mode
from d8registry.model.state import SCHEMA, State
from d8registry.switching.realise import find_stage

STATES = sorted((Path(__file__).parents[2] / "golden" / "state").glob("schema-*/*.yaml"))
IDS = [f"{path.parent.name}/{path.stem}" for path in STATES]


def read(path: Path) -> State:
    annotations = {"registry.deckhouse.io/revision": "17"}
    data = {"state": base64.b64encode(path.read_bytes()).decode()}
    state = parse_state({"metadata": {"name": "registry-state", "annotations": annotations}, "data": data})
    assert state is not None
    return state


def test_every_earlier_schema_is_kept() -> None:
    assert {path.parent.name for path in STATES} == {f"schema-{number}" for number in range(1, SCHEMA)}


@pytest.mark.parametrize("path", STATES, ids=IDS)
def test_a_state_of_an_earlier_release_is_read_and_written_in_the_present_schema(path: Path) -> None:
    state = read(path)
    assert json.loads(render_state(state))["schema"] == SCHEMA
    again = {"state": base64.b64encode(render_state(state).encode()).decode()}
    annotations = {"registry.deckhouse.io/revision": "17"}
    assert parse_state({"metadata": {"annotations": annotations}, "data": again}) == state


@pytest.mark.parametrize("path", STATES, ids=IDS)
def test_a_switch_that_an_earlier_release_began_has_a_stage_to_go_on_from(path: Path) -> None:
    state = read(path)
    stage = find_stage(state)
    if state.switch is not None:
        assert (stage.step, stage.phase) == (state.switch.step, state.switch.phase)


def test_nothing_of_a_state_is_lost_on_the_way() -> None:
    """One golden file in full: what schema 1 said, field by field."""
    state = read(next(path for path in STATES if path.stem == "finalisenodes-all"))
    assert (state.revision, state.counter, state.epoch, state.generations) == (17, 4, "165a6992", 2)
    assert state.salt == "da54e42f6bda2d06323d335e232cf8c2"
    assert (state.current.mode, state.current.endpoint.host) == (Mode.UNMANAGED, "registry.example.com")
    assert state.owns_real_host
    assert state.switch is not None
    new = state.switch.candidate.endpoint
    assert (new.host, new.path, new.credentials.username) == ("new.example.com:5000", "/mirror/d8/se", "mover")
    assert new.credentials.password.value == "pass-4e1f0c-new"
    assert f"{state.switch.since:%H:%M:%S}" == "12:01:20"
