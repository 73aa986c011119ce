# SPDX-License-Identifier: Apache-2.0
"""Reports of nodes: ours, none, and what others may have written there."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from d8registry.model.cluster import FailureClass, Witness, WitnessResult
from d8registry.nodes import Unreadable, parse_witness
from hypothesis import given
from hypothesis import strategies as st

REPORT: dict[str, Any] = {
    "schema": 1,
    "program": "1",
    "token": "12.3f9c2a1b.8c1d4e0f22aa",
    "result": "failing",
    "class": "auth",
    "message": "401",
    "configPath": True,
    "customConfig": False,
    "customDetail": "conf.d/mine.toml: registry.mirrors",
    "foreignAgent": "registry.d/.managed-by-agent",
    "dialMilliseconds": 3,
    "bootID": "x",
    "at": "2026-11-23T12:00:00Z",
}


def test_a_report_is_read_whole() -> None:
    assert parse_witness(json.dumps(REPORT)) == Witness(
        token="12.3f9c2a1b.8c1d4e0f22aa",
        result=WitnessResult.FAILING,
        failure=FailureClass.AUTH,
        message="401",
        config_path=True,
        custom_config=False,
        custom_detail="conf.d/mine.toml: registry.mirrors",
        foreign_agent="registry.d/.managed-by-agent",
        at=datetime(2026, 11, 23, 12, tzinfo=UTC),
    )


def test_the_report_of_an_earlier_program_has_no_details() -> None:
    earlier = {key: value for key, value in REPORT.items() if key not in {"customDetail", "foreignAgent"}}
    parsed = parse_witness(json.dumps(earlier))
    assert isinstance(parsed, Witness)
    assert (parsed.custom_detail, parsed.foreign_agent) == ("", "")


def test_texts_are_one_bounded_line_and_nothing_else() -> None:
    parsed = parse_witness(json.dumps({**REPORT, "message": "a\nb" * 400, "customDetail": {"x": 1}}))
    assert isinstance(parsed, Witness)
    assert (len(parsed.message), parsed.custom_detail) == (500, "")
    assert "\n" not in parsed.message


@pytest.mark.parametrize("annotation", [None, "", "  "])
def test_no_report_is_none(annotation: str | None) -> None:
    assert parse_witness(annotation) is None


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[]",
        "null",
        json.dumps({**REPORT, "schema": 2}),
        json.dumps({**REPORT, "result": "maybe"}),
        json.dumps({**REPORT, "at": "yesterday"}),
        json.dumps({**REPORT, "at": 5}),
        json.dumps({"schema": 1}),
    ],
)
def test_a_report_that_is_not_ours_gives_a_reason(broken: str) -> None:
    parsed = parse_witness(broken)
    assert isinstance(parsed, Unreadable)
    assert parsed.reason


def test_a_class_of_a_newer_program_is_other() -> None:
    parsed = parse_witness(json.dumps({**REPORT, "class": "quota"}))
    assert isinstance(parsed, Witness)
    assert parsed.failure is FailureClass.OTHER


@given(annotation=st.text() | st.recursive(st.none() | st.integers(), lambda x: st.lists(x)).map(json.dumps))
def test_no_text_at_all_raises(annotation: str) -> None:
    parsed = parse_witness(annotation)
    assert parsed is None or isinstance(parsed, Unreadable)
