# SPDX-License-Identifier: Apache-2.0
"""The pure parts of the sidecar: logins, routes, challenges, Secrets' formats, addresses."""

import json

import pytest
from registry_auth.challenge import Challenge, choose_challenge, is_realm_allowed, parse_challenges
from registry_auth.clients import build_basic, is_accepted
from registry_auth.errors import ConfigurationError
from registry_auth.model import Scheme, Secret, Upstream, User, Users, parse_upstream, parse_users
from registry_auth.oci import Reply
from registry_auth.resolving import choose_addresses
from registry_auth.routes import Route, VersionCheck, parse_route

DIGEST = "sha256:" + "a" * 64
USERS = Users(
    generation="1",
    anonymous=False,
    users=(
        User(username="old", password=Secret("one")),
        User(username="new", password=Secret("two:with colon")),
    ),
)
UPSTREAM = {
    "generation": "2",
    "scheme": "https",
    "host": "registry.example.com:5000",
    "path": "/deckhouse/ee",
    "ca": "",
    "username": "u",
    "password": "p4ssw0rd",
}


def upstream(**fields: str) -> Upstream:
    return parse_upstream(json.dumps({**UPSTREAM, **fields}))


@pytest.mark.parametrize(
    ("authorization", "accepted"),
    [
        pytest.param(build_basic("old", "one"), True, id="first user"),
        pytest.param(build_basic("new", "two:with colon"), True, id="second user, colon in the password"),
        pytest.param(build_basic("old", "one").replace("Basic", "bAsIc"), True, id="scheme in any case"),
        pytest.param(build_basic("old", "two:with colon"), False, id="the other's password"),
        pytest.param(build_basic("old", ""), False, id="no password"),
        pytest.param(build_basic("", ""), False, id="empty login"),
        pytest.param("Basic !!!", False, id="not base64"),
        pytest.param("Basic", False, id="no login"),
        pytest.param("Bearer abc", False, id="another scheme"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_only_a_whole_login_of_a_user_is_accepted(authorization: str, accepted: bool) -> None:
    assert is_accepted(authorization, USERS) is accepted


def test_nobody_may_come_without_login_only_where_that_is_allowed() -> None:
    open_to_all = Users(generation="1", anonymous=True, users=())

    assert is_accepted("", open_to_all)
    assert not is_accepted(build_basic("a", "b"), open_to_all)


@pytest.mark.parametrize(
    ("uri", "path", "repository"),
    [
        ("/v2/system/deckhouse/manifests/v1.72.0", "/v2/deckhouse/ee/manifests/v1.72.0", "deckhouse/ee"),
        (f"/v2/system/deckhouse/manifests/{DIGEST}?ns=x", f"/v2/deckhouse/ee/manifests/{DIGEST}", "deckhouse/ee"),
        (f"/v2/system/deckhouse/blobs/sha256%3A{'a' * 64}", f"/v2/deckhouse/ee/blobs/{DIGEST}", "deckhouse/ee"),
        (
            "/v2/system/deckhouse/release-channel/manifests/stable",
            "/v2/deckhouse/ee/release-channel/manifests/stable",
            "deckhouse/ee/release-channel",
        ),
        (
            "/v2/system/deckhouse/modules/a__b/tags/list?n=5&last=a%26b&x=y",
            "/v2/deckhouse/ee/modules/a__b/tags/list?n=5&last=a%26b",
            "deckhouse/ee/modules/a__b",
        ),
        (
            f"/v2/system/deckhouse/referrers/{DIGEST}?artifactType=a/b",
            f"/v2/deckhouse/ee/referrers/{DIGEST}?artifactType=a%2Fb",
            "deckhouse/ee",
        ),
    ],
)
def test_reading_below_the_fixed_path_goes_to_the_upstreams_path(uri: str, path: str, repository: str) -> None:
    assert parse_route("GET", uri, "deckhouse/ee") == Route(path=path, repository=repository)


@pytest.mark.parametrize(
    ("method", "uri", "status"),
    [
        ("POST", "/v2/system/deckhouse/blobs/uploads/", 405),
        ("GET", "/v2/system/deckhouse/blobs/uploads/1", 405),
        ("GET", "/v2/_catalog", 405),
        ("GET", "/v2/system/deckhouse2/manifests/a", 404),
        ("GET", "/v2/system/deckhouse/../../x/manifests/a", 404),
        ("GET", "/v2/system/deckhouse/%2e%2e/%2e%2e/x/manifests/a", 404),
        ("GET", "/v2/system/deckhouse/UPPER/manifests/a", 404),
        ("GET", "/v2/system/deckhouse/manifests/a b", 404),
        ("GET", "/v2/system/deckhouse/manifests/a%0d%0aX-Evil:%20b", 404),
        ("GET", "/v2/system/deckhouse/blobs/latest", 400),
        ("GET", "/v1/search", 404),
    ],
)
def test_anything_else_gets_an_error(method: str, uri: str, status: int) -> None:
    reply = parse_route(method, uri, "deckhouse/ee")

    assert isinstance(reply, Reply)
    assert reply.status == status
    assert json.loads(reply.body)["errors"][0]["code"]


@pytest.mark.parametrize("uri", ["/v2/", "/v2"])
def test_the_version_check_is_known(uri: str) -> None:
    assert parse_route("GET", uri, "deckhouse/ee") == VersionCheck()


def test_challenges_are_parsed_with_quotes_commas_and_several_schemes() -> None:
    value = (
        'Basic realm="a, \\"b\\"", Bearer realm="https://auth.x/token?a=b",service=registry,scope="repository:a:pull"'
    )

    challenges = parse_challenges([value])

    assert [challenge.scheme for challenge in challenges] == ["basic", "bearer"]
    assert challenges[0].parameter("realm") == 'a, "b"'
    assert challenges[1].parameter("realm") == "https://auth.x/token?a=b"
    assert challenges[1].parameter("service") == "registry"
    assert choose_challenge(challenges) == challenges[1]


@pytest.mark.parametrize(
    ("values", "scheme"),
    [(["Negotiate", "Basic"], "basic"), (["Negotiate"], None), ([], None), (["???"], None)],
)
def test_a_scheme_that_is_not_spoken_is_passed_over(values: list[str], scheme: str | None) -> None:
    chosen = choose_challenge(parse_challenges(values))

    assert (chosen.scheme if chosen else None) == scheme
    assert chosen is None or isinstance(chosen, Challenge)


@pytest.mark.parametrize(
    ("host", "realm", "allowed"),
    [
        ("registry.example.com", "https://registry.example.com/token", True),
        ("registry.example.com", "https://REGISTRY.example.com:8443/token", True),
        ("registry.example.com", "https://auth.example.com/token", True),
        ("registry.example.com", "https://example.com/token", True),
        ("registry.example.com", "https://auth.registry.example.com/token", True),
        ("registry.example.com", "http://registry.example.com/token", False),
        ("registry.example.com", "https://registry.example.com.evil.org/token", False),
        ("registry.example.com", "https://evilexample.com/token", False),
        ("registry.example.com", "https://u:p@example.com/token", False),
        ("registry.example.com", "https://example.com:port/token", False),
        ("registry.example.com", "", False),
        ("registry.example.com", "//example.com", False),
        ("example.com", "https://other.com/token", False),
        ("shop.co.uk", "https://thief.co.uk/token", False),
        ("10.0.0.1", "https://10.0.0.2/token", False),
        ("10.0.0.1:5000", "https://10.0.0.1:5001/token", True),
        ("localhost:5000", "https://localhost/token", True),
    ],
)
def test_a_realm_must_be_in_the_upstreams_own_domain(host: str, realm: str, allowed: bool) -> None:
    assert is_realm_allowed(realm, upstream(host=host)) is allowed


def test_an_upstream_over_http_may_have_a_token_server_over_http() -> None:
    assert is_realm_allowed("http://registry.example.com/t", upstream(scheme="http", host="registry.example.com"))


def test_an_upstream_is_read_with_its_port_and_repository() -> None:
    read = upstream()

    assert (read.scheme, read.hostname, read.port) == (Scheme.HTTPS, "registry.example.com", 5000)
    assert read.repository == "deckhouse/ee"
    assert upstream(host="h").port == 443
    assert upstream(host="h", scheme="http").port == 80


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scheme": "ftp"}, "scheme"),
        ({"host": "h/x"}, "host"),
        ({"host": "h:99999"}, "host"),
        ({"host": "h;return 200"}, "host"),
        ({"path": ""}, "path"),
        ({"path": "/a b"}, "path"),
        ({"path": "/a/"}, "path"),
        ({"generation": 'x"'}, "generation"),
        ({"username": "a:b"}, "username"),
        ({"username": ""}, "password"),
        ({"password": "a\nb"}, "password"),
    ],
)
def test_a_bad_field_of_the_upstream_is_named_and_no_value_told(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        upstream(**fields)

    assert "p4ssw0rd" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '{"password": "p4ssw0rd"', '{"generation": "1"}', '{"generation": 1}'])
def test_what_is_no_upstream_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_upstream(text)

    assert "p4ssw0rd" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(
    "text",
    [
        '{"generation":"1","users":[]}',
        '{"generation":"1","anonymous":"no","users":[]}',
        '{"generation":"1","anonymous":false,"users":{}}',
        '{"generation":"1","anonymous":false,"users":[{"username":"u"}]}',
        '{"generation":"1","anonymous":false,"users":[{"username":"u","password":""}]}',
    ],
)
def test_bad_users_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"users\.json"):
        parse_users(text)


def test_a_password_is_in_no_repr() -> None:
    assert "p4ssw0rd" not in f"{upstream()!r} {upstream().password} {upstream().identity}"


def test_the_identity_of_an_upstream_tells_its_settings_apart() -> None:
    told = [upstream(), upstream(generation="3"), upstream(host="h"), upstream(path="/p"), upstream(username="v")]

    assert len({one.identity for one in told}) == len(told)
    assert upstream().identity == upstream().identity


@pytest.mark.parametrize(
    ("used", "answer", "seconds", "chosen"),
    [
        pytest.param((), ("b", "a"), 0, ("a", "b"), id="first answer, sorted"),
        pytest.param(("a",), (), 999, ("a",), id="no answer changes nothing"),
        pytest.param(("a", "b"), ("b", "c"), 5, ("a", "b"), id="a rotation is waited for"),
        pytest.param(("a", "b"), ("b", "c"), 61, ("b", "c"), id="and taken over later"),
        pytest.param(("a",), ("b",), 0, ("b",), id="a move is taken over at once"),
    ],
)
def test_addresses_change_when_it_is_worth_a_reload(
    used: tuple[str, ...], answer: tuple[str, ...], seconds: float, chosen: tuple[str, ...]
) -> None:
    assert choose_addresses(used, answer, seconds) == chosen
