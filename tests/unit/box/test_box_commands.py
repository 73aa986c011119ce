# SPDX-License-Identifier: Apache-2.0
"""The box's command line: what its help teaches and how it speaks of words that it does not know."""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from box.cli import build_parser, main, run
from box.errors import BoxError, suggest
from box.layout import REPOSITORY
from box.nodefaults import set_fault
from box.report import Report


def _each_parser(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _each_parser(below)


@pytest.mark.parametrize("parser", list(_each_parser(build_parser())), ids=lambda parser: parser.prog)
def test_every_command_says_what_it_and_each_of_its_arguments_is_for(parser: argparse.ArgumentParser) -> None:
    assert parser.description
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            assert [each.dest for each in action._choices_actions if not each.help] == []
        else:
            assert action.help, f"{parser.prog}: {action.dest}"


@pytest.mark.parametrize("parser", list(_each_parser(build_parser())), ids=lambda parser: parser.prog)
def test_examples_in_help_are_commands_that_the_box_takes(parser: argparse.ArgumentParser) -> None:
    lines = [line.strip() for line in (parser.epilog or "").splitlines()]
    for line in (line for line in lines if line.startswith("python -m box ")):
        words = shlex.split(line.split("  ")[0])[3:]
        if words[0] != "kubectl":
            build_parser().parse_args(words)


def test_an_unknown_command_is_met_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["statsu"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "box: there is no `statsu` here; did you mean status?\nmore: python -m box --help\n"
    )


def test_an_unknown_name_is_met_with_the_nearest_ones_or_with_all() -> None:
    nodes = ("master-0", "worker-0", "worker-1")
    assert suggest("worker-O", nodes) == "; did you mean worker-0 or worker-1?"
    assert suggest("xyz", nodes) == "; there is master-0, worker-0, worker-1"
    assert suggest("xyz", ()) == "; there is none"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["clock"], r"say by how much it is wrong: \+3h, -1d, or reset"),
        (["clock", "3h"], r"3h says no time; write \+90s"),
        (["disk-ful"], "did you mean disk-free or disk-full"),
        (["disk-full", "disk-free"], "is no fault of a node"),
        ([], "say what is to be wrong on worker-0: disk-full"),
    ],
)
def test_words_that_are_no_fault_of_a_node_are_refused_with_those_that_are(words: list[str], says: str) -> None:
    with pytest.raises(BoxError, match=says):
        set_fault("worker-0", words)


def test_a_clock_that_is_behind_is_no_option() -> None:
    assert build_parser().parse_args(["fault", "node", "worker-0", "clock", "-1d"]).words == ["clock", "-1d"]


@pytest.mark.parametrize(
    "words",
    [["logs"], ["main", "block"], ["operator", "queues"], ["api", "down"], ["kubectl", "get", "nodes"], ["shell"]],
    ids=" ".join,
)
def test_without_a_box_every_command_says_how_to_start_one(words: list[str]) -> None:
    command = [sys.executable, "-m", "box", *words]
    environment = {**os.environ, "BOX_NAME": "notstarted"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no box runs" in done.stderr
    assert "start one: python -m box up" in done.stderr


def test_an_api_server_that_does_not_answer_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_options: argparse.Namespace, _report: Report) -> int:
        raise ConnectionRefusedError(111, "Connection refused")

    assert run(argparse.Namespace(run=refuse, needs_box=False)) == 1
    assert "is it down? start it again: python -m box api up" in capsys.readouterr().err
