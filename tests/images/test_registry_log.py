# SPDX-License-Identifier: Apache-2.0
"""The parser of the registry's log, over lines that distribution 2.8.2 wrote."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from box.registrylog import Request, RequestKind, parse_requests

LOG = (Path(__file__).parent / "fixtures" / "registry.log").read_text(encoding="utf-8")
BLOB = "sha256:07388f1c784c738d983805008c4909c6c2fcbce3f8b60fe9f2b3151fa67a8f50"


@pytest.fixture(scope="module")
def requests() -> tuple[Request, ...]:
    return parse_requests(LOG)


def test_each_request_is_reported_once_with_what_was_asked_and_answered(requests: tuple[Request, ...]) -> None:
    seen = [(request.method, request.kind, request.status, request.user) for request in requests]

    assert seen == [
        ("GET", RequestKind.MANIFEST, 200, "platform-a"),
        ("GET", RequestKind.BLOB, 200, "platform-a"),
        ("GET", RequestKind.BLOB, 206, "platform-a"),
        ("HEAD", RequestKind.BLOB, 404, "platform-a"),
        ("GET", RequestKind.OTHER, 401, ""),
        ("GET", RequestKind.MANIFEST, 401, "platform-old"),
    ]


def test_a_request_names_time_address_reference_and_agent(requests: tuple[Request, ...]) -> None:
    assert requests[0] == Request(
        time=datetime(2026, 11, 23, 13, 21, 13, 601696, tzinfo=UTC),
        remote="127.0.0.1",
        user="platform-a",
        method="GET",
        kind=RequestKind.MANIFEST,
        repository="deckhouse/ee",
        reference="v1.72.0",
        uri="/v2/deckhouse/ee/manifests/v1.72.0",
        status=200,
        user_agent="curl/7.88.1",
    )
    assert requests[1].reference == BLOB


def test_the_port_is_dropped_from_both_kinds_of_addresses(requests: tuple[Request, ...]) -> None:
    assert [request.remote for request in requests[-2:]] == ["10.111.0.20", "fd00::20"]


def test_the_namespace_that_containerd_adds_is_no_part_of_the_reference(requests: tuple[Request, ...]) -> None:
    assert requests[-1].reference == "v1"


def test_only_an_answer_with_content_is_ok(requests: tuple[Request, ...]) -> None:
    assert [request.ok for request in requests] == [True, True, True, False, False, False]


def test_a_line_that_is_still_being_written_is_left_for_the_next_read(requests: tuple[Request, ...]) -> None:
    assert parse_requests(LOG + '{"http.request.id":"z","msg":"response comp') == requests
