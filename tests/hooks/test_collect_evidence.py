# SPDX-License-Identifier: Apache-2.0
"""hooks/collect_evidence.py as a process, against a stand-in for the API. Factors: asked or not x before x API."""

import json
from pathlib import Path
from typing import Any

import pytest
from d8registry.evidence.answer import Evidence, parse_evidence, render_evidence
from d8registry.evidence.question import EvidenceQuestion, build_evidence_question, render_question

from tests.support.hook_process import (
    HookProcess,
    apply_secret_operation,
    build_group_context,
    build_secret,
    read_secret,
    run_hook_file,
)
from tests.support.scripted_api import ApiScript, run_api

HOOK = "collect_evidence.py"
BASE, HOST = "old.test/deckhouse/ee", "old.test"
QUESTION = build_evidence_question(BASE, HOST)


def build_pod(namespace: str, name: str, image: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"containers": [{"image": image}]}}


def build_lists(pods: int = 3) -> dict[str, list[dict[str, Any]]]:
    secret = {
        "metadata": {"namespace": "d8-system", "name": "deckhouse-registry"},
        "data": {".dockerconfigjson": "e30="},
    }
    stale = {"metadata": {"namespace": "d8-stale", "name": "deckhouse-registry"}, "data": {".dockerconfigjson": "W10="}}
    other = {"metadata": {"namespace": "d8-stale", "name": "other"}, "data": {}}
    deployment = build_pod("d8-m", "grafana", f"{BASE}@sha256:2")
    template = {"metadata": deployment["metadata"], "spec": {"template": {"spec": deployment["spec"]}}}
    return {
        "/api/v1/pods": [build_pod("team", f"p{number:04}", f"{BASE}@sha256:1") for number in range(pods)],
        "/apis/apps/v1/deployments": [template],
        "/apis/apps/v1/daemonsets": [
            {
                "metadata": {"namespace": "team", "name": "own"},
                "spec": {"template": {"spec": {"containers": [{"image": "old.test/team/app"}]}}},
            }
        ],
        "/api/v1/secrets": [secret, stale, other],
    }


def run_collector(
    kubeconfig: Path | None, answered: dict[str, Any] | None = None, question: EvidenceQuestion = QUESTION
) -> HookProcess:
    asked = build_secret({"evidence": render_question(question)}, 9)
    contexts = build_group_context({"asked": [asked], "answered": [answered] if answered else []})
    return run_hook_file(HOOK, contexts, environment={"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})


def read_evidence(process: HookProcess, seen: dict[str, Any] | None = None) -> Evidence:
    assert (process.status, process.stderr) == (0, "")
    (operation,) = process.operations
    evidence = parse_evidence(json.dumps(read_secret(apply_secret_operation(operation, seen), "evidence")))
    assert evidence is not None
    return evidence


def test_the_configuration_is_pure_json_and_never_runs_at_a_start() -> None:
    process = run_hook_file(HOOK, "", arguments=["--config"])
    assert (process.status, process.stderr) == (0, "")
    config = json.loads(process.stdout)
    assert {binding["queue"] for binding in config["kubernetes"]} == {"/modules/registry/evidence"}
    assert {binding["kind"] for binding in config["kubernetes"]} == {"Secret"}


@pytest.mark.parametrize("asked", [[], [build_secret({})], [build_secret({"evidence": "null"})]])
def test_nothing_asked_writes_nothing_and_loads_no_network_library(asked: list[dict[str, Any]]) -> None:
    contexts = build_group_context({"asked": asked, "answered": []})
    process = run_hook_file(HOOK, contexts, interpreter_arguments=["-X", "importtime"])
    assert (process.status, process.operations) == (0, ())
    loaded = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert "d8registry.adapters.runtime" in loaded
    assert not loaded & {"urllib3", "ssl", "cryptography", "yaml", "d8registry.evidence.objects"}


def test_everything_that_names_the_old_registry_is_found(tmp_path: Path) -> None:
    with run_api(ApiScript(lists=build_lists()), tmp_path) as kubeconfig:
        evidence = read_evidence(run_collector(kubeconfig))
    assert (evidence.key, evidence.complete, evidence.message) == (QUESTION.key, True, "")
    assert evidence.platform == ("Deployment d8-m/grafana",)
    assert evidence.users == ("Pod team/p0000", "Pod team/p0001", "Pod team/p0002")
    assert evidence.copies == ("Secret d8-stale/deckhouse-registry",)
    assert evidence.real_host == ("DaemonSet team/own", "Deployment d8-m/grafana", *evidence.users)


def test_long_lists_come_in_pages_and_an_expired_page_begins_anew(tmp_path: Path) -> None:
    script = ApiScript(lists=build_lists(pods=1201), expire=1)
    with run_api(script, tmp_path) as kubeconfig:
        evidence = read_evidence(run_collector(kubeconfig))
    assert (len(evidence.users), evidence.users[-1]) == (501, "and 701 more")
    pods = [path for path in script.requests if path.startswith("/api/v1/pods")]
    assert len(pods) == 5
    assert all("limit=500" in path and "status.phase%21%3DSucceeded" in path for path in pods)


def test_an_answer_that_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    script = ApiScript(lists=build_lists())
    with run_api(script, tmp_path) as kubeconfig:
        secret = apply_secret_operation(run_collector(kubeconfig).operations[0], None)
        assert run_collector(kubeconfig, secret).operations == ()
        script.lists["/api/v1/pods"].pop()
        assert len(read_evidence(run_collector(kubeconfig, secret), secret).users) == 2


def test_an_image_seen_in_use_is_remembered_when_its_pod_is_gone(tmp_path: Path) -> None:
    question = build_evidence_question("", "", in_use_base=BASE)
    script = ApiScript(lists=build_lists())
    with run_api(script, tmp_path) as kubeconfig:
        first = read_evidence(run_collector(kubeconfig, question=question))
        secret = build_secret({"evidence": render_evidence(first)}, 9)
        for kind in script.lists:
            script.lists[kind] = []
        later = read_evidence(run_collector(kubeconfig, secret, question), secret)
    assert {reference for reference, _ in first.in_use} == set(first.seen)
    assert first.seen
    assert (later.in_use, later.seen) == ((), first.seen)


@pytest.mark.parametrize(
    ("script", "token", "words"),
    [
        (ApiScript(status=503), "a-token", "HTTP 503 storage is (re)initializing"),
        (ApiScript(), "wrong", "HTTP 401 Unauthorized"),
    ],
    ids=["unavailable", "unauthorized"],
)
def test_trouble_with_the_api_is_an_incomplete_answer_and_not_a_failed_hook(
    tmp_path: Path, script: ApiScript, token: str, words: str
) -> None:
    with run_api(script, tmp_path, token=token) as kubeconfig:
        evidence = read_evidence(run_collector(kubeconfig))
    assert not evidence.complete
    assert words in evidence.message


def test_an_unknown_api_is_said(tmp_path: Path) -> None:
    assert "not a pod" in read_evidence(run_collector(None)).message
    assert str(tmp_path / "absent") in read_evidence(run_collector(tmp_path / "absent")).message
