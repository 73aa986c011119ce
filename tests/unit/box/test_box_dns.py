# SPDX-License-Identifier: Apache-2.0
"""Reading answers of cluster DNS. Factors: how names are written, kinds of records, status codes, foreign answers."""

import struct

import pytest

from box.dns import read_addresses

QUESTION = b"\x01a\x04test\0" + b"\0\1\0\1"
END = 12 + len(QUESTION)


def answer(*records: bytes, number: int = 7, status: int = 0) -> bytes:
    return struct.pack(">6H", number, 0x8180 | status, 1, len(records), 0, 0) + QUESTION + b"".join(records)


def address(name: bytes, last: int) -> bytes:
    return name + struct.pack(">2HIH", 1, 1, 5, 4) + bytes([10, 111, 0, last])


def test_addresses_are_read_behind_pointers_and_behind_written_names() -> None:
    text = answer(address(b"\xc0\x0c", 1), address(b"\x01a\x04test\0", 2), address(b"\x01a\xc0\x0e", 3))
    assert read_addresses(text, 7, END) == ["10.111.0.1", "10.111.0.2", "10.111.0.3"]


def test_records_that_are_no_address_are_passed_over() -> None:
    alias = b"\xc0\x0c" + struct.pack(">2HIH", 5, 1, 5, 2) + b"\xc0\x0e"
    assert read_addresses(answer(alias, address(b"\xc0\x0e", 9)), 7, END) == ["10.111.0.9"]


@pytest.mark.parametrize("text", [answer(number=8), answer(address(b"\xc0\x0c", 1), status=3)], ids=["foreign", "nx"])
def test_an_answer_to_another_question_or_with_a_failure_has_no_address(text: bytes) -> None:
    assert read_addresses(text, 7, END) == []
