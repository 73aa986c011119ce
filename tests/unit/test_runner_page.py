# SPDX-License-Identifier: Apache-2.0
"""docs/internal/RUNNER.md names the test of every observed behaviour: each of them must be there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/internal/RUNNER.md").read_text(encoding="utf-8")))
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_runner*.py")]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "tests/contract").glob("test_*.py")]
    there = {name for text in texts for name in re.findall(r"^def (test_\w+)\(", text, flags=re.MULTILINE)}
    assert len(named) > 50
    assert sorted(named - there) == []


def test_every_test_of_the_live_runner_is_named_on_the_page() -> None:
    page = (ROOT / "docs/internal/RUNNER.md").read_text(encoding="utf-8")
    unnamed = [
        name
        for path in (ROOT / "tests/contract").glob("test_runner_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if name not in page
    ]
    assert sorted(unnamed) == []
