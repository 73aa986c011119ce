# SPDX-License-Identifier: Apache-2.0
"""A secret is found in every form in which it may show, and is never named."""

import base64
import gzip
import json

import pytest

from box.judge.leaks import decode_release, find_leaks, list_key_marks

SECRET = "pa55word-4711"


def test_a_secret_is_found_plain_and_the_text_is_named_without_it() -> None:
    assert find_leaks({"a.log": f"x{SECRET}y", "b.log": "nothing"}, [SECRET, ""]) == ("a.log",)


@pytest.mark.parametrize("before", ["", "u", "us", "use", "user:"])
def test_a_secret_is_found_within_longer_base64_whatever_stands_before_it(before: str) -> None:
    config = json.dumps({"auths": {"h": {"auth": base64.b64encode(f"{before}{SECRET}".encode()).decode()}}})
    texts = {"once": config, "twice": base64.b64encode(f"{before}{SECRET} and more".encode()).decode()}
    assert find_leaks(texts, [SECRET]) == ("once", "twice")


def test_a_part_of_a_secret_is_none() -> None:
    assert find_leaks({"a": "pa55", "b": base64.b64encode(b"pa55").decode()}, [SECRET]) == ()


def test_private_keys_are_known_by_their_first_line() -> None:
    line = "M" * 64
    key = f"-----BEGIN EC PRIVATE KEY-----\n{line}\nrest\n-----END EC PRIVATE KEY-----\n"
    assert list_key_marks([key, "-----BEGIN CERTIFICATE-----\nAAA\n"]) == (line,)


def test_a_helm_release_is_opened() -> None:
    inner = base64.b64encode(gzip.compress(json.dumps({"config": SECRET}).encode()))
    assert SECRET in decode_release(base64.b64encode(inner).decode())
