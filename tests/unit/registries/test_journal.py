# SPDX-License-Identifier: Apache-2.0
"""The journal of registries: what is asked, by whom, and that no password gets into it."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest

from box.registries.journal import (
    CREDENTIAL_CLAIM,
    Entry,
    Kind,
    Shown,
    compute_credential,
    parse_journal,
    read_journals,
    read_shown,
    render_entry,
    split_path,
)

SALT = b"salt"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def make_entry(second: int, registry: str = "registry-a") -> Entry:
    return Entry(
        time=datetime(2026, 11, 24, 12, 0, second, tzinfo=UTC),
        registry=registry,
        remote="10.111.0.20",
        account="tenant",
        credential="c1",
        refused=False,
        method="GET",
        kind=Kind.BLOB,
        repository="tenants/app",
        reference="sha256:1",
        uri="/v2/tenants/app/blobs/sha256:1",
        status=200,
        sent=12,
    )


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        pytest.param("/v2/a/b/manifests/v1", (Kind.MANIFEST, "a/b", "v1"), id="manifest"),
        pytest.param("/v2/a/blobs/sha256:1", (Kind.BLOB, "a", "sha256:1"), id="blob"),
        pytest.param("/v2/", (Kind.OTHER, "", ""), id="version"),
        pytest.param("/v2/a/tags/list", (Kind.OTHER, "", ""), id="tags"),
        pytest.param("/v2/manifests/manifests/blobs/x", (Kind.BLOB, "manifests/manifests", "x"), id="odd names"),
    ],
)
def test_a_path_tells_kind_repository_and_reference(path: str, parts: tuple[Kind, str, str]) -> None:
    assert split_path(path) == parts


def test_two_passwords_of_one_user_are_told_apart_and_not_written() -> None:
    first, second = read_shown(basic("u:one"), SALT), read_shown(basic("u:two"), SALT)
    assert (first.account, second.account) == ("u", "u")
    assert first.credential == compute_credential(SALT, "u", "one") != second.credential
    assert "one" not in repr(first)


def test_the_same_login_at_another_box_has_another_credential() -> None:
    assert read_shown(basic("u:p"), b"other") != read_shown(basic("u:p"), SALT)


def test_a_bearer_is_who_its_token_names() -> None:
    token = jwt.encode({"sub": "tenant", CREDENTIAL_CLAIM: "c7"}, "k" * 32)
    assert read_shown(f"Bearer {token}", SALT) == Shown(account="tenant", credential="c7")


@pytest.mark.parametrize("header", ["Basic ***", "Bearer x", "Basic bm9jb2xvbg==", "Digest x"])
def test_what_cannot_be_read_is_not_taken_for_nobody(header: str) -> None:
    assert read_shown(header, SALT).account == "(unreadable)"


def test_nobody_has_no_account() -> None:
    assert read_shown("", SALT) == Shown()


def test_an_entry_is_one_line_and_comes_back_as_it_was() -> None:
    line = render_entry(make_entry(1))
    assert line.count("\n") == 1
    assert parse_journal(line) == (make_entry(1),)


def test_a_line_that_is_still_being_written_is_left_for_the_next_read() -> None:
    assert parse_journal(render_entry(make_entry(1)) + '{"time":') == (make_entry(1),)


def test_journals_of_several_registries_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    for name, seconds in (("a", (1, 5)), ("b", (3,))):
        (tmp_path / name).mkdir()
        text = "".join(render_entry(make_entry(second, name)) for second in seconds)
        (tmp_path / name / "requests.journal").write_text(text)
    entries = read_journals([tmp_path / "a", tmp_path / "b"])
    assert [one.registry for one in entries] == ["a", "b", "a"]
