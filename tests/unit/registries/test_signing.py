# SPDX-License-Identifier: Apache-2.0
"""Signed URLs of the object store: good for one blob and a minute, and for nobody who logs in besides."""

import pytest

from box.registries.signing import LIFE_SECONDS, build_signed_url, check_signed_url

KEY = b"key"
URL = build_signed_url("store.test", "sha256:1", KEY, 1000)


def test_a_signed_url_gives_its_blob() -> None:
    assert check_signed_url(URL, KEY, 1000 + LIFE_SECONDS, authorization="") == ("sha256:1", "")


@pytest.mark.parametrize(
    ("url", "now", "authorization", "words"),
    [
        pytest.param(URL.replace("sha256:1", "sha256:2"), 1000, "", "signature", id="another blob"),
        pytest.param(URL.replace("expires=1060", "expires=9060"), 1000, "", "signature", id="a longer life"),
        pytest.param(URL.partition("?")[0], 1000, "", "signature", id="unsigned"),
        pytest.param(URL, 1061, "", "expired", id="too late"),
        pytest.param(URL, 1000, "Basic eA==", "only one way to log in", id="with a login"),
    ],
)
def test_anything_else_is_refused(url: str, now: int, authorization: str, words: str) -> None:
    assert words in check_signed_url(url, KEY, now, authorization=authorization)[1]
