# SPDX-License-Identifier: Apache-2.0
"""hooks/probe_registries.py as a process. Factors: questions (none, images, proxy) x answers so far x registry."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from d8registry.checker.question import ImagesQuestion, build_images_question, render_questions
from d8registry.checker.result import CheckResult, parse_results

from tests.support.hook_process import (
    HookProcess,
    apply_secret_operation,
    build_group_context,
    build_secret,
    read_secret,
    run_hook_file,
)
from tests.support.scripted_registry import (
    PASSWORD,
    Script,
    build_digest,
    build_endpoint,
    build_images,
    build_manifest,
    run_registry,
)

HOOK = "probe_registries.py"


def build_question(port: int, count: int = 5, password: str = PASSWORD) -> ImagesQuestion:
    images = [image for _, image in build_images(count)]
    return build_images_question(build_endpoint(port, password=password), images)


def run_probe(questions: list[ImagesQuestion], checks: dict[str, Any] | None = None, revision: int = 7) -> HookProcess:
    asked = build_secret({"questions": render_questions(questions)}, revision)
    return run_hook_file(HOOK, build_group_context({"asked": [asked], "answered": [checks] if checks else []}))


def read_result(secret: dict[str, Any], question: ImagesQuestion) -> CheckResult:
    return parse_results(json.dumps(read_secret(secret, "checks")))[question.key]


def test_the_configuration_is_pure_json_and_never_runs_at_a_start() -> None:
    process = run_hook_file(HOOK, "", arguments=["--config"])
    assert (process.status, process.stderr) == (0, "")
    config = json.loads(process.stdout)
    assert {binding["executeHookOnSynchronization"] for binding in config["kubernetes"]} == {False}
    assert {binding["queue"] for binding in config["kubernetes"]} == {"/modules/registry/probe"}


@pytest.mark.parametrize("asked", [[], [build_secret({})], [build_secret({"questions": "[]"})]])
def test_nothing_asked_writes_nothing_and_loads_no_network_library(asked: list[dict[str, Any]]) -> None:
    process = run_hook_file(
        HOOK, build_group_context({"asked": asked, "answered": []}), interpreter_arguments=["-X", "importtime"]
    )
    assert process.status == 0, process.stderr
    assert process.operations == ()
    loaded = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert "d8registry.adapters.runtime" in loaded
    assert not loaded & {"urllib3", "ssl", "cryptography", "yaml", "d8registry.checker.question"}


def test_found_images_are_remembered_and_not_asked_again() -> None:
    script = Script(manifests={build_digest(number): build_manifest(number) for number in range(5)})
    with run_registry(script) as port:
        question = build_question(port)
        process = run_probe([question])
        assert (process.status, process.stderr) == (0, "")
        (operation,) = process.operations
        secret = apply_secret_operation(operation, None)
        result = read_result(secret, question)
        assert (result.ok, result.found, result.total) == (True, 5, 5)
        asked_before = len(script.requests)
        assert run_probe([question], secret).operations == ()
        assert len(script.requests) == asked_before
    assert secret["metadata"]["labels"] == {"heritage": "deckhouse", "module": "registry"}
    assert secret["metadata"]["annotations"] == {"registry.deckhouse.io/revision": "7"}


def test_a_wrong_password_is_final_and_stays_secret() -> None:
    script = Script()
    with run_registry(script) as port:
        question = build_question(port, password="wr0ng-secret")
        process = run_probe([question])
        secret = apply_secret_operation(process.operations[0], None)
        assert run_probe([question], secret).operations == ()
    result = read_result(secret, question)
    assert (result.done, result.ok, result.final) == (True, False, True)
    assert result.problems[0].outcome == "unauthenticated"
    assert sum(bool(header) for _, header in script.requests) == 1
    assert "wr0ng-secret" not in json.dumps(read_secret(secret, "checks")) + process.stdout + process.stderr


def test_a_registry_that_is_down_is_a_result_and_not_a_failed_hook() -> None:
    with run_registry(Script()) as port:
        pass
    question = build_question(port)
    process = run_probe([question])
    assert (process.status, process.stderr) == (0, "")
    result = read_result(apply_secret_operation(process.operations[0], None), question)
    assert result.problems[0].outcome == "refused"
    assert result.next_at > datetime.now(UTC)


def test_a_watched_registry_that_hangs_has_answered_by_that() -> None:
    script = Script(hang=9.0)
    with run_registry(script) as port:
        images = [image for _, image in build_images(1)]
        question = build_images_question(build_endpoint(port, password=PASSWORD), images, every_seconds=10)
        result = read_result(apply_secret_operation(run_probe([question]).operations[0], None), question)
    assert (result.done, result.ok, result.attempt) == (True, False, 1)
    assert result.problems[0].outcome == "timeout"
    assert "has not answered within 6 s" in result.problems[0].message


def test_answers_to_dropped_questions_are_forgotten_and_older_runs_overwrite_nothing() -> None:
    script = Script(manifests={build_digest(number): build_manifest(number) for number in range(5)})
    with run_registry(script) as port:
        first, second = build_question(port, 2), build_question(port, 3)
        secret = apply_secret_operation(run_probe([first]).operations[0], None)
        (operation,) = run_probe([second], secret).operations
        (late,) = run_probe([second], secret, revision=6).operations
    assert {item["key"] for item in read_secret(apply_secret_operation(operation, secret), "checks")} == {second.key}
    assert apply_secret_operation(late, secret) == secret


def test_a_question_that_cannot_be_read_is_one_human_line_without_its_content() -> None:
    asked = build_secret({"questions": '[{"kind":"images","password":"s3cret"}]'})
    process = run_hook_file(HOOK, build_group_context({"asked": [asked], "answered": []}))
    assert process.status == 1
    assert process.stderr.count("\n") == 1
    assert "registry-questions" in process.stderr
    assert "kubectl" in process.stderr
    assert "s3cret" not in process.stderr
