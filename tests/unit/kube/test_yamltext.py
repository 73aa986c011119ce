# SPDX-License-Identifier: Apache-2.0
"""Rows that need no YAML library are YAML all the same."""

import pytest
import yaml
from d8registry.kube.yamltext import dump_rows, load_rows
from hypothesis import given
from hypothesis import strategies as st

# YAML itself refuses most control characters; messages are made of text without them.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn"]), max_size=30)
ROWS = st.lists(st.fixed_dictionaries({"type": TEXT, "message": TEXT, "observedGeneration": st.integers(0, 10**9)}))


@given(ROWS)
def test_rows_are_read_back_and_are_the_same_to_a_yaml_library(rows: list[dict[str, str | int]]) -> None:
    text = dump_rows(rows)
    assert load_rows(text) == rows
    assert (yaml.safe_load(text) or []) == rows


def test_rows_are_what_a_person_expects_of_a_list_of_conditions() -> None:
    assert dump_rows([{"type": "Ready", "status": "True"}, {"type": "x", "n": 1}]) == (
        '- type: "Ready"\n  status: "True"\n- type: "x"\n  n: 1\n'
    )
    assert dump_rows([]) == "[]\n"


@pytest.mark.parametrize("text", ["- {type: Ready}\n", "- type: Ready\n", "[{type: Ready}]"])
def test_rows_that_others_wrote_are_read_as_yaml(text: str) -> None:
    assert load_rows(text) == [{"type": "Ready"}]


@pytest.mark.parametrize("text", ["{broken", "- type: [\n"])
def test_what_is_no_yaml_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not YAML"):
        load_rows(text)
