# SPDX-License-Identifier: Apache-2.0
"""The rules of containerd that the module stands on, read off the recorded truth table; and the record itself.

Factors: see containerd_semantics.py. `make record` writes the table anew.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract import containerd_semantics
from tests.contract.containerd_semantics import BODIES, PULLS, STATUSES, UNREACHABLE
from tests.support import isolated
from tests.support.containerd import Generation

RECORD = Path(__file__).with_name("containerd_semantics.json")
ROWS: dict[tuple[str, str], dict[str, Any]] = {
    (row["case"], row["generation"]): row for row in json.loads(RECORD.read_text())
}
PAIRS = (("basic.test", "bearer.test"), ("bearer.test", "basic.test"))

generations = pytest.mark.parametrize("generation", list(Generation))
pairs = pytest.mark.parametrize(("first", "second"), PAIRS)


def row(case: str, generation: Generation) -> dict[str, Any]:
    return ROWS[case, generation]


@pytest.mark.box
def test_containerd_does_what_the_record_says() -> None:
    seen = json.loads(isolated.run(containerd_semantics.__name__))
    assert {(row["case"], row["generation"]): row for row in seen} == ROWS


def test_the_record_holds_every_case_of_both_generations() -> None:
    wanted = {(case.name, generation) for case in containerd_semantics.list_cases() for generation in Generation}
    assert set(ROWS) == wanted


@generations
@pytest.mark.parametrize("host", [*UNREACHABLE, "expired.test", "future.test"])
def test_a_source_that_is_not_reached_is_passed_over_on_17_only_if_it_is_told_so(
    host: str, generation: Generation
) -> None:
    # Without dial_timeout, 1.7 dials for 30 s a request where packets are lost.
    assert row(f"{host} first", generation)["pulled"] is not (host == "hole.test" and generation is Generation.V17)


@generations
@pairs
@pytest.mark.parametrize("kind", ["manifests", "blobs"])
@pytest.mark.parametrize("fault", [name for name in STATUSES if name != "hang"])
def test_an_answer_that_is_an_error_goes_on_to_the_next_source(
    first: str, second: str, kind: str, fault: str, generation: Generation
) -> None:
    seen = row(f"{first} first: {kind} {fault}", generation)
    assert seen["pulled"]
    assert seen["manifest" if kind == "manifests" else "blobs"] == [second]
    # Each request begins with the first source again.
    assert seen["blobs" if kind == "manifests" else "manifest"] == [first]


@generations
@pairs
@pytest.mark.parametrize("kind", ["manifests", "blobs"])
@pytest.mark.parametrize("fault", ["hang", *BODIES])
def test_a_source_that_hangs_or_sends_wrong_bytes_has_no_source_behind_it(
    first: str, second: str, kind: str, fault: str, generation: Generation
) -> None:
    seen = row(f"{first} first: {kind} {fault}", generation)
    assert not seen["pulled"]
    assert not any(shown.startswith(second) for shown in seen["shown"])


@generations
@pairs
def test_a_refused_password_goes_on_to_the_next_source(first: str, second: str, generation: Generation) -> None:
    seen = row(f"{first} first: wrong password", generation)
    assert seen["pulled"]
    assert seen["manifest"] == [second]


@generations
def test_a_basic_password_that_is_refused_is_shown_many_times_in_one_pull(generation: Generation) -> None:
    # Registries lock accounts after a few of these: the module must not try a refused password again by itself.
    assert row("basic.test first: wrong password", generation)["refused logins"]["basic.test gone"] > 10
    assert row("bearer.test first: wrong password", generation)["refused logins"]["bearer.test gone"] <= 2


@generations
@pairs
@pytest.mark.parametrize("revoked", ["", ", old is revoked"])
@pytest.mark.parametrize("pull", ["old", "new", "wrong password"])
def test_the_credentials_of_a_pull_secret_go_to_every_source_and_the_sources_own_to_none(
    first: str, second: str, pull: str, revoked: str, generation: Generation
) -> None:
    seen = row(f"{first} first: pull with {pull}{revoked}", generation)
    account = PULLS[pull][0]  # type: ignore[index]
    assert {shown.split()[1] for shown in seen["shown"]} == {"-", account}
    assert seen["pulled"] is (pull == "new" or (pull == "old" and not revoked))


@generations
@pairs
def test_a_pull_without_credentials_shows_each_source_its_own(first: str, second: str, generation: Generation) -> None:
    seen = row(f"{first} first: pull with no pull secret, old is revoked", generation)
    assert seen["pulled"]
    assert {f"{first} old", f"{second} new"} <= set(seen["shown"])
    assert not {f"{first} new", f"{second} old"} & set(seen["shown"])


@generations
@pairs
def test_a_user_without_a_password_uses_the_sources_own_credentials_on_2x_only(
    first: str, second: str, generation: Generation
) -> None:
    assert row(f"{first} first: pull with no password", generation)["pulled"] is (generation is Generation.V2)


@generations
@pytest.mark.parametrize("host", ["basic.test", "bearer.test"])
@pytest.mark.parametrize("valid", ["old", "new", "old and new"])
def test_one_host_twice_uses_each_sources_own_credentials_in_order(
    host: str, valid: str, generation: Generation
) -> None:
    seen = row(f"{host} twice (old, new): {valid} valid, pull with no pull secret", generation)
    assert seen["pulled"]
    tried = {shown for shown in seen["shown"] if not shown.endswith("-")}
    assert tried == ({f"{host} old", f"{host} new"} if valid == "new" else {f"{host} old"})


@generations
@pytest.mark.parametrize("host", ["basic.test", "bearer.test"])
def test_one_host_twice_does_not_help_a_pull_that_brings_the_revoked_password(
    host: str, generation: Generation
) -> None:
    assert not row(f"{host} twice (old, new): new valid, pull with old", generation)["pulled"]
    assert row(f"{host} twice (old, new): new valid, pull with new", generation)["pulled"]


@generations
@pytest.mark.parametrize("host", ["basic.test", "bearer.test"])
def test_a_host_with_and_without_its_port_are_two_sources(host: str, generation: Generation) -> None:
    assert row(f"{host} then {host}:443: new valid", generation)["pulled"]
    assert row(f"{host}:443 then {host}: new valid", generation)["pulled"]


@generations
@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_token_server_that_fails_goes_on_to_the_next_source(status: int, generation: Generation) -> None:
    seen = row(f"bearer.test first: token {status}", generation)
    assert seen["pulled"]
    assert seen["manifest"] == ["basic.test"]
