# SPDX-License-Identifier: Apache-2.0
"""Asking a registry, against a real server on loopback.

Factors: TLS (trusted, foreign, expired, not yet valid, wrong name, none) x login (none, Basic, Bearer, wrong password,
foreign realm) x answers (200, 404, 403, 429, 5xx, hang, drop, wrong bytes, redirect).
"""

import socket
import time
from dataclasses import replace
from datetime import datetime

import pytest
from d8registry.adapters.registry_client import fetch_manifests
from d8registry.checker.outcome import Outcome
from d8registry.model.image import RequiredImage
from d8registry.pki.material import Authority

from tests.support.scripted_registry import (
    AUTHORITY,
    EXPIRED,
    NOT_YET,
    PASSWORD,
    REPOSITORY,
    STRANGER,
    Script,
    build_digest,
    build_endpoint,
    build_images,
    build_manifest,
    run_registry,
)

SECONDS = 5.0
MANIFESTS = {build_digest(number): build_manifest(number) for number in range(30)}


def build_script(auth: str = "basic") -> Script:
    return Script(auth=auth, manifests=dict(MANIFESTS))


@pytest.mark.parametrize("auth", ["none", "basic", "bearer"])
def test_every_image_that_is_there_is_found_whatever_the_login(auth: str) -> None:
    script = build_script(auth)
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(30), SECONDS)
    assert report.of_registry is None
    assert {index: answer.outcome for index, answer in report.answers.items()} == dict.fromkeys(range(30), Outcome.OK)
    assert script.count("/v2/") == 30 + (auth != "none")
    assert script.count("/token") == (auth == "bearer")


def test_connections_are_kept_and_few() -> None:
    script = build_script()
    script.hang = 0.02
    with run_registry(script) as port:
        fetch_manifests(build_endpoint(port), build_images(30), SECONDS)
    assert script.connections <= 8
    assert 1 < script.busiest <= 8


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_wrong_password_costs_one_failed_login(auth: str) -> None:
    script = build_script(auth)
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port, password="wrong"), build_images(30), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.UNAUTHENTICATED
    assert report.answers == {}
    assert sum(bool(header) for _, header in script.requests) == 1


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_no_user_where_one_is_required_is_said(auth: str) -> None:
    with run_registry(build_script(auth)) as port:
        report = fetch_manifests(build_endpoint(port, user="", password=""), build_images(3), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.UNAUTHENTICATED


def test_a_401_without_a_challenge_ends_the_run() -> None:
    script = build_script("none")
    script.statuses = [401] * 9
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(9), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.UNAUTHENTICATED
    assert script.count("/v2/") == 1


def test_a_token_that_the_registry_refuses_is_a_matter_of_rights() -> None:
    script = build_script("bearer")
    script.refuse_tokens = True
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(30), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.DENIED
    assert script.count("/token") == 1


def test_a_password_is_never_sent_to_a_foreign_token_server() -> None:
    script, foreign = build_script("bearer"), Script()
    with run_registry(foreign) as other, run_registry(script) as port:
        script.realm = f"https://127.0.0.1:{other}/token"
        report = fetch_manifests(build_endpoint(port), build_images(3), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.UNTRUSTED
    assert foreign.requests == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(429, Outcome.RATE_LIMITED), (500, Outcome.SERVER_ERROR), (403, Outcome.UNAUTHENTICATED)],
)
def test_a_token_server_in_trouble_ends_the_run(status: int, outcome: Outcome) -> None:
    script = build_script("bearer")
    script.token_status = status
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(3), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is outcome
    assert script.count("/token") == 1


@pytest.mark.parametrize(
    ("authority", "ca", "issued", "names", "outcome"),
    [
        pytest.param(STRANGER, None, None, ("localhost",), Outcome.UNTRUSTED, id="foreign authority"),
        pytest.param(AUTHORITY, "", None, ("localhost",), Outcome.UNTRUSTED, id="no authority given"),
        pytest.param(AUTHORITY, "rubbish", None, ("localhost",), Outcome.UNTRUSTED, id="ca is not PEM"),
        pytest.param(AUTHORITY, None, None, ("other.test",), Outcome.UNTRUSTED, id="another name"),
        pytest.param(AUTHORITY, None, EXPIRED, ("localhost",), Outcome.CLOCK, id="expired"),
        pytest.param(AUTHORITY, None, NOT_YET, ("localhost",), Outcome.CLOCK, id="not yet valid"),
    ],
)
def test_certificates_are_verified_before_any_credential_is_sent(
    authority: Authority, ca: str | None, issued: datetime | None, names: tuple[str, ...], outcome: Outcome
) -> None:
    script = build_script()
    with run_registry(script, authority=authority, issued=issued, names=names) as port:
        report = fetch_manifests(build_endpoint(port, ca=ca), build_images(3), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is outcome
    assert script.requests == []


def test_a_registry_without_tls_is_untrusted() -> None:
    with run_registry(build_script(), tls=False) as port:
        report = fetch_manifests(build_endpoint(port), build_images(1), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.UNTRUSTED


def test_nobody_listening_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    report = fetch_manifests(build_endpoint(port), build_images(3), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.REFUSED
    assert "ECONNREFUSED" in report.of_registry.message


def test_a_name_without_address_is_unresolved() -> None:
    endpoint = replace(build_endpoint(1), host="registry.invalid")
    report = fetch_manifests(endpoint, build_images(3), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.UNRESOLVED


def test_missing_images_are_named_and_the_others_found() -> None:
    script = build_script()
    del script.manifests[build_digest(2)]
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(5), SECONDS)
    assert [index for index, answer in report.answers.items() if answer.outcome is Outcome.MISSING] == [2]
    assert report.answers[2].message == "HTTP 404 MANIFEST_UNKNOWN: manifest unknown"
    assert len(report.answers) == 5


def test_wrong_bytes_are_corrupt() -> None:
    script = build_script()
    script.manifests[build_digest(1)] = build_manifest(99)
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(3), SECONDS)
    assert report.answers[1].outcome is Outcome.CORRUPT
    assert build_digest(99) in report.answers[1].message


@pytest.mark.parametrize(
    ("body", "outcome"), [(build_manifest(1), Outcome.OK), (b"<html>", Outcome.CORRUPT)], ids=["manifest", "html"]
)
def test_a_tag_is_asked_by_name(body: bytes, outcome: Outcome) -> None:
    script = build_script()
    script.manifests["v1.72.3"] = body
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), [(0, RequiredImage(reference="v1.72.3"))], SECONDS)
    assert report.answers[0].outcome is outcome
    assert script.requests[-1][0] == f"/v2/{REPOSITORY}/manifests/v1.72.3"


def test_a_forbidden_image_is_denied_and_the_password_not_repeated_in_words() -> None:
    script = build_script("none")
    script.statuses = [403]
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(2), SECONDS)
    assert report.answers[0].outcome is Outcome.DENIED
    assert PASSWORD not in report.answers[0].message
    assert report.answers[1].outcome is Outcome.OK


def test_a_short_rate_limit_is_waited_for() -> None:
    script = build_script("none")
    script.statuses, script.headers = [200, 429], {"Retry-After": "1"}
    begin = time.monotonic()
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(3), SECONDS)
    assert {answer.outcome for answer in report.answers.values()} == {Outcome.OK}
    assert 1.0 <= time.monotonic() - begin < 3


def test_a_long_rate_limit_ends_the_run_at_once_and_says_how_long() -> None:
    script = build_script("none")
    script.statuses, script.headers = [200] + [429] * 30, {"Retry-After": "120"}
    begin = time.monotonic()
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(30), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.RATE_LIMITED
    assert report.of_registry.retry_after == 120
    assert time.monotonic() - begin < 1
    assert script.count("/v2/") <= 9


def test_one_server_error_is_asked_again() -> None:
    script = build_script("none")
    script.statuses = [503]
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(2), SECONDS)
    assert {answer.outcome for answer in report.answers.values()} == {Outcome.OK}
    assert script.count("/v2/") == 3


def test_a_registry_that_only_fails_is_not_asked_for_every_image() -> None:
    script = build_script("none")
    script.statuses = [500] * 100
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(30), SECONDS)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.SERVER_ERROR
    assert script.count("/v2/") == 4


def test_a_dropped_connection_is_a_server_error() -> None:
    script = build_script("none")
    script.drop = True
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(1), 1.0)
    assert report.of_registry is not None
    assert report.of_registry.outcome is Outcome.SERVER_ERROR


def test_a_registry_that_hangs_past_the_deadline_leaves_the_question_open_in_time() -> None:
    script = build_script("none")
    script.hang = 3
    begin = time.monotonic()
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(30), 1.0)
    assert (report.answers, report.of_registry) == ({}, None)
    assert time.monotonic() - begin < 2


def test_what_is_not_asked_in_time_is_left_out() -> None:
    script = build_script("none")
    script.hang = 0.25
    with run_registry(script) as port:
        report = fetch_manifests(build_endpoint(port), build_images(30), 1.0)
    assert 8 < len(report.answers) < 30
    assert report.of_registry is None


def test_a_redirect_is_followed_without_credentials() -> None:
    script = build_script()
    with run_registry(script) as port:
        script.redirect = f"https://localhost:{port}/elsewhere"
        report = fetch_manifests(build_endpoint(port), build_images(1), SECONDS)
    assert report.answers[0].outcome is Outcome.OK
    assert script.count("/elsewhere", authorized=True) == 0
    assert script.count("/elsewhere", authorized=False) == 1
