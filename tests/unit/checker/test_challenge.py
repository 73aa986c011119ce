# SPDX-License-Identifier: Apache-2.0
"""WWW-Authenticate headers, and where credentials may go. Factors: schemes x quoting x realm host and scheme."""

import pytest
from d8registry.checker.challenge import Challenge, is_own_realm, parse_challenges


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        pytest.param('Basic realm="r"', (Challenge(scheme="basic", realm="r"),), id="basic"),
        pytest.param("basic", (Challenge(scheme="basic"),), id="no parameters"),
        pytest.param(
            'Bearer realm="https://a.test/token",service="s",scope="repository:a/b:pull,push"',
            (Challenge(scheme="bearer", realm="https://a.test/token", service="s", scope="repository:a/b:pull,push"),),
            id="comma in a value",
        ),
        pytest.param(
            'BEARER realm=https://a.test/token, service="a \\"b\\"", Basic realm="x"',
            (
                Challenge(scheme="bearer", realm="https://a.test/token", service='a "b"'),
                Challenge(scheme="basic", realm="x"),
            ),
            id="two, unquoted and escaped",
        ),
        pytest.param('Negotiate abc, Basic realm="r"', (Challenge(scheme="basic", realm="r"),), id="unknown first"),
        pytest.param("Digest nonce=1", (), id="unknown only"),
        pytest.param("", (), id="empty"),
    ],
)
def test_challenges_are_read(header: str, challenges: tuple[Challenge, ...]) -> None:
    assert parse_challenges(header) == challenges


@pytest.mark.parametrize(
    ("realm", "registry", "https", "own"),
    [
        pytest.param("https://r.example.com/token", "r.example.com", True, True, id="same host"),
        pytest.param("https://r.example.com:8443/t", "r.example.com:5000", True, True, id="same host, other port"),
        pytest.param("https://auth.example.com/t", "r.example.com", True, True, id="neighbour"),
        pytest.param("https://example.com/t", "r.example.com", True, True, id="parent"),
        pytest.param("https://auth.example.com/t", "example.com", True, True, id="child"),
        pytest.param("https://evil.test/t", "r.example.com", True, False, id="elsewhere"),
        pytest.param("https://evil-example.com/t", "r.example.com", True, False, id="same ending only"),
        pytest.param("https://r.example.com@evil.test/t", "r.example.com", True, False, id="user part"),
        pytest.param("https://evil.com/t", "example.com", True, False, id="top-level domain"),
        pytest.param("https://evil.co.uk/t", "shop.co.uk", True, False, id="country suffix"),
        pytest.param("http://r.example.com/t", "r.example.com", True, False, id="downgrade"),
        pytest.param("http://r.example.com/t", "r.example.com", False, True, id="http both"),
        pytest.param("https://10.0.0.2/t", "10.0.0.1", True, False, id="other address"),
        pytest.param("https://10.0.0.1/t", "10.0.0.1:443", True, True, id="same address"),
        pytest.param("ftp://r.example.com/t", "r.example.com", False, False, id="not http"),
        pytest.param("", "r.example.com", True, False, id="none"),
        pytest.param("https://other/t", "registry", True, False, id="single words"),
    ],
)
def test_credentials_stay_in_the_registrys_own_domain(realm: str, registry: str, https: bool, own: bool) -> None:
    assert is_own_realm(realm, registry, https=https) is own
