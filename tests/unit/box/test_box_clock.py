# SPDX-License-Identifier: Apache-2.0
"""A wrong clock: how the offset is written, and that it gets into Go's standard library, or the build ends."""

import subprocess
from pathlib import Path

import pytest

from box.errors import BoxError
from box.goclock import patch_now
from box.nodeclock import describe_offset, parse_offset


@pytest.mark.parametrize(
    ("word", "seconds"), [("+90s", 90), ("-20m", -1200), ("+3h", 10800), ("-1d", -86400), ("+400d", 34560000)]
)
def test_an_offset_is_a_sign_a_number_and_a_unit_and_is_shown_so_again(word: str, seconds: int) -> None:
    assert parse_offset(word) == seconds
    assert describe_offset(seconds) == word


@pytest.mark.parametrize("word", ["3h", "+3", "+h", "-1w", "+0s", "now", "", "+1.5h", "+3h "])
def test_anything_else_is_no_offset(word: str) -> None:
    with pytest.raises(BoxError, match=r"write \+90s"):
        parse_offset(word)


def test_an_offset_is_shown_in_its_largest_whole_unit() -> None:
    assert [describe_offset(seconds) for seconds in (0, 120, 121, -172800)] == ["", "+2m", "+121s", "-2d"]


def test_now_of_this_go_gets_the_offset() -> None:
    root = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    source = Path(root, "src/time/time.go").read_text()
    added = set(patch_now(source).splitlines()) - set(source.splitlines())
    assert added == {"\tsec += clockOffset(mono)"}


def test_another_shape_of_now_ends_the_build() -> None:
    with pytest.raises(BoxError, match="not as box/goclock"):
        patch_now("package time\n\nfunc Now() Time {\n\treturn somethingElse()\n}\n")
