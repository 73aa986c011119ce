# SPDX-License-Identifier: Apache-2.0
"""The page of transitions says what the plans say."""

import os
from pathlib import Path

from tests.support.transitions import render_transitions

PAGE = Path(__file__).parents[3] / "docs" / "internal" / "TRANSITIONS.md"


def test_the_page_of_transitions_is_what_the_plans_render() -> None:
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(render_transitions())
    assert PAGE.read_text() == render_transitions()
