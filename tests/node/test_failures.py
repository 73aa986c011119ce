# SPDX-License-Identifier: Apache-2.0
"""What ctr really said when a registry failed, and the class that registry-node gives it.

Factors: every failure of record_failures.py x generation of containerd x command of the proof. `make record` writes the
examples anew.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from d8registry.model.cluster import FailureClass, Witness, WitnessResult

from tests.node.record_failures import PASSWORD, list_failures
from tests.support.containerd import Generation
from tests.support.node_plans import layout, plan
from tests.support.scratch_node import ScratchNode, read_program

FOLDER = Path(__file__).with_name("failures")
EXAMPLES: list[dict[str, Any]] = [
    {**row, "generation": str(each)}
    for each in Generation
    for row in json.loads((FOLDER / f"{each}.json").read_text(encoding="utf-8"))
]


def name(example: dict[str, Any]) -> str:
    return f"{example['generation']} {example['command']}: {example['failure']}"


def choose_examples() -> list[dict[str, Any]]:
    """Choose one for each generation and class: a whole round each is slow."""
    return list({(row["generation"], row["class"]): row for row in EXAMPLES}.values())


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ScratchNode]:
    scratch = ScratchNode(folder=tmp_path)
    scratch.keep_shims(set())
    yield scratch
    scratch.close()


def classify_all(folder: Path, examples: list[dict[str, Any]]) -> list[str]:
    """Let the program's own `explain` read each recorded failure, all in one process."""
    run = folder / "run/registry-node"
    run.mkdir(parents=True)
    for number, example in enumerate(examples):
        (folder / f"{number}.err").write_text(example["stderr"])
        date = formatdate(time.time() - example["clock"], usegmt=True)
        (folder / f"{number}.headers").write_text(f"HTTP/2 200\r\ndate: {date}\r\n\r\n")
    program = read_program().rstrip().rsplit("\n", 1)[0]  # all but the call of `main`
    rounds = "".join(
        f"cp {number}.err $RUN/ctr.err; cp {number}.headers $RUN/headers; explain hosts {example['status']} a/b@c\n"
        'echo "$ERROR_CLASS"\n'
        for number, example in enumerate(examples)
    )
    done = subprocess.run(
        ["bash"],
        input=f"{program}\n{rounds}",
        cwd=folder,
        env={"PATH": os.environ["PATH"], "REGISTRY_NODE_ROOT": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("generation", list(Generation))
def test_each_recorded_failure_has_its_class(tmp_path: Path, generation: Generation) -> None:
    examples = [row for row in EXAMPLES if row["generation"] == str(generation)]
    classes = classify_all(tmp_path, examples)
    wrong = [
        (name(row), row["class"], seen) for row, seen in zip(examples, classes, strict=True) if row["class"] != seen
    ]
    assert wrong == []


@pytest.mark.parametrize("example", choose_examples(), ids=name)
def test_a_node_reports_the_class_and_changes_nothing(node: ScratchNode, example: dict[str, Any]) -> None:
    (node.ctr / "error").write_text(example["stderr"])
    (node.ctr / "status").write_text(str(example["status"]))
    node.api.clock = -float(example["clock"])
    token = node.publish(plan(1, layout(node)))
    done = node.run()
    witness = node.read_witness()
    assert isinstance(witness, Witness), done.stderr
    assert (witness.token, witness.result) == (token, WitnessResult.FAILING)
    assert witness.failure is FailureClass(example["class"])
    assert node.read_live() == {}


def test_the_record_holds_every_failure_of_both_generations() -> None:
    wanted = {(failure.name, command) for failure in list_failures() for command in failure.commands}
    for generation in Generation:
        found = {(row["failure"], row["command"]) for row in EXAMPLES if row["generation"] == str(generation)}
        assert wanted <= found


def test_every_class_that_ctr_can_cause_is_recorded() -> None:
    # `foreign` is found without ctr.
    assert {row["class"] for row in EXAMPLES} == {str(each) for each in FailureClass} - {"", "foreign"}


def test_no_recorded_message_holds_the_password() -> None:
    assert not [row for row in EXAMPLES if PASSWORD in row["stderr"]]
