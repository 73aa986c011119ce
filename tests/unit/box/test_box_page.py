# SPDX-License-Identifier: Apache-2.0
"""docs/internal/BOX.md speaks of commands that there are, and of all of them."""

import argparse
import re

from box.cli import build_parser
from box.layout import REPOSITORY

PAGE = (REPOSITORY / "docs/internal/BOX.md").read_text(encoding="utf-8")


def _list_commands(parser: argparse.ArgumentParser, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                inner = _list_commands(below, f"{prefix}{name} ")
                found |= inner or {f"{prefix}{name}"}
    return found


def test_every_command_is_on_the_page() -> None:
    missing = {name for name in _list_commands(build_parser()) if not re.search(rf"\b{name}\b", PAGE)}
    assert missing - {"deps", "build", "registry stop"} == set()


def test_every_command_of_a_listing_on_the_page_is_one_that_the_box_takes() -> None:
    lines = re.findall(r"^python -m box ([^#\n]+)", PAGE, flags=re.MULTILINE)
    assert len(lines) > 5
    for line in lines:
        words = line.split()
        if words[0] != "kubectl":
            build_parser().parse_args(words)


def test_functions_that_the_page_offers_are_there() -> None:
    modules = set(re.findall(r"`(box(?:\.\w+)+)`", PAGE))
    assert len(modules) > 8
    for name in modules:
        parts = name.split(".")
        here = REPOSITORY.joinpath(*parts)
        above = REPOSITORY.joinpath(*parts[:-1]).with_suffix(".py")
        assert here.is_dir() or here.with_suffix(".py").is_file() or f"def {parts[-1]}(" in above.read_text(), name
