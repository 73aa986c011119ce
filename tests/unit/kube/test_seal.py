# SPDX-License-Identifier: Apache-2.0
"""A seal tells every change of a sealed object, and nothing to those who lack the salt."""

from d8registry.kube.seal import build_seal, find_changed_keys
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.from_regex(r"[-._a-zA-Z0-9]{1,20}", fullmatch=True)
DATA = st.dictionaries(KEYS, st.text(max_size=20), max_size=5)


@given(DATA, DATA, st.text("0123456789abcdef", min_size=1))
def test_exactly_the_keys_that_differ_are_found(data: dict[str, str], later: dict[str, str], salt: str) -> None:
    wanted = {key for key in data.keys() | later.keys() if data.get(key) != later.get(key)}
    assert set(find_changed_keys(later, build_seal(data, salt), salt)) == wanted


def test_a_seal_of_another_salt_says_nothing() -> None:
    assert find_changed_keys({"a": "x"}, build_seal({"a": "y"}, "one"), "two") == ()


def test_what_is_no_seal_says_nothing() -> None:
    assert find_changed_keys({"a": "x"}, "rubbish", "one") == ()
