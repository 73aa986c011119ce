# SPDX-License-Identifier: Apache-2.0
"""Asking the proxy's pods, against real servers on loopback. Factors: status x certificate x user x answer."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest
from d8registry.adapters.proxy_client import fetch_proxy_answers
from d8registry.checker.outcome import Answer, Outcome
from d8registry.checker.question import ProxyQuestion, build_proxy_question
from d8registry.model.cluster import ProxyPod
from d8registry.model.endpoint import Credentials
from d8registry.model.secret import Secret

from tests.support.scripted_registry import (
    AUTHORITY,
    PASSWORD,
    STRANGER,
    USER,
    Script,
    build_digest,
    build_manifest,
    run_registry,
)

NAMES = ("registry.d8-system.svc", "localhost")
GOOD = Credentials(username=USER, password=Secret(PASSWORD))
WRONG = Credentials(username=USER, password=Secret("wrong"))


def build_question(*users: Credentials, ip: str = "127.0.0.1") -> ProxyQuestion:
    return build_proxy_question(
        [ProxyPod(name="proxy-a", ip=ip, ready=True)],
        upstream_generation="2",
        users_generation="3",
        users=users,
        reference=build_digest(1),
        ca=AUTHORITY.pem,
    )


def build_status(**changes: object) -> bytes:
    status = {"upstreamGeneration": "2", "nginxGeneration": "2", "usersGeneration": "3", "ready": True, "message": ""}
    return json.dumps(status | changes).encode()


def build_registry() -> Script:
    return Script(manifests={build_digest(1): build_manifest(1)})


def build_pod(status: bytes | None = None) -> Script:
    return Script(auth="none", manifests={"status": status or build_status()})


def ask(
    question: ProxyQuestion, pod: Script, registry: Script, *, seconds: float = 0.1, foreign: bool = False
) -> Mapping[int, Answer]:
    authority = STRANGER if foreign else AUTHORITY
    with (
        run_registry(pod, tls=False) as status_port,
        run_registry(registry, names=NAMES, authority=authority) as registry_port,
    ):
        indexes = range(1 + len(question.users))
        return fetch_proxy_answers(question, indexes, seconds, registry_port=registry_port, status_port=status_port)


def test_a_pod_with_the_generations_and_a_manifest_for_each_user_is_as_wanted() -> None:
    registry = build_registry()
    answers = ask(build_question(GOOD, GOOD), build_pod(), registry)
    assert [answers[index].outcome for index in range(3)] == [Outcome.OK] * 3
    assert [path for path, _ in registry.requests] == [f"/v2/system/deckhouse/manifests/{build_digest(1)}"] * 2


def test_an_anonymous_user_is_asked_without_a_header() -> None:
    registry = build_registry()
    registry.auth = "none"
    assert ask(build_question(Credentials()), build_pod(), registry)[1].outcome is Outcome.OK
    assert registry.requests[0][1] == ""


def test_a_user_that_the_proxy_refuses_is_told_from_one_it_accepts() -> None:
    answers = ask(build_question(WRONG, GOOD), build_pod(), build_registry())
    assert [answers[index].outcome for index in range(3)] == [Outcome.OK, Outcome.UNAUTHENTICATED, Outcome.OK]


@pytest.mark.parametrize(
    "changes",
    [
        {"upstreamGeneration": "1"},
        {"nginxGeneration": "1"},
        {"usersGeneration": "2"},
        {"ready": False, "message": "nginx starts"},
    ],
    ids=["upstream", "nginx", "users", "ready"],
)
def test_a_pod_behind_is_not_ready_and_its_users_are_not_tried(changes: dict[str, object]) -> None:
    registry = build_registry()
    answers = ask(build_question(GOOD), build_pod(build_status(**changes)), registry)
    assert [answers[index].outcome for index in range(2)] == [Outcome.NOT_READY] * 2
    assert registry.requests == []


def test_a_pod_that_catches_up_is_waited_for() -> None:
    pod = build_pod(build_status(nginxGeneration="1"))
    timer = threading.Timer(0.4, pod.manifests.update, [{"status": build_status()}])
    timer.start()
    answers = ask(build_question(GOOD), pod, build_registry(), seconds=5)
    timer.join()
    assert [answers[index].outcome for index in range(2)] == [Outcome.OK] * 2


def test_a_certificate_of_another_authority_is_untrusted_and_no_password_is_sent() -> None:
    registry = build_registry()
    answers = ask(build_question(GOOD), build_pod(), registry, foreign=True)
    assert answers[1].outcome is Outcome.UNTRUSTED
    assert registry.requests == []


def test_an_upstream_in_trouble_is_a_server_error_with_its_cause() -> None:
    registry = build_registry()
    registry.auth, registry.statuses = "none", [502]
    answer = ask(build_question(GOOD), build_pod(), registry)[1]
    assert answer.outcome is Outcome.SERVER_ERROR
    assert answer.message == "HTTP 502 X: with …"


def test_wrong_bytes_are_corrupt() -> None:
    registry = build_registry()
    registry.manifests[build_digest(1)] = build_manifest(2)
    assert ask(build_question(GOOD), build_pod(), registry)[1].outcome is Outcome.CORRUPT


@pytest.mark.parametrize("status", [b"[1]", b"<html>"], ids=["list", "html"])
def test_a_status_that_is_not_one_is_said(status: bytes) -> None:
    assert ask(build_question(GOOD), build_pod(status), build_registry())[0].outcome is Outcome.SERVER_ERROR


def test_a_pod_without_an_address_is_not_ready() -> None:
    answers = fetch_proxy_answers(build_question(GOOD, ip=""), range(2), 0.1)
    assert [answers[index].outcome for index in range(2)] == [Outcome.NOT_READY] * 2


def test_a_pod_that_nobody_listens_on_is_refused_and_only_what_is_asked_is_answered() -> None:
    with run_registry(Script()) as port:
        pass
    question = replace(build_question(GOOD), users=(GOOD,))
    answers = fetch_proxy_answers(question, [0], 0.1, registry_port=port, status_port=port)
    assert {index: answer.outcome for index, answer in answers.items()} == {0: Outcome.REFUSED}


def test_an_upstream_that_hangs_costs_one_turn_however_many_users_there_are() -> None:
    registry = build_registry()
    registry.hang = 9.0
    begun = time.monotonic()
    answers = ask(build_question(GOOD, GOOD, GOOD), build_pod(), registry, seconds=2.0)
    assert [answers[index].outcome for index in range(1, 4)] == [Outcome.TIMEOUT] * 3
    assert time.monotonic() - begun < 15.0  # ten seconds for each user otherwise
