# SPDX-License-Identifier: Apache-2.0
"""The Authorization for the upstream, against an upstream in memory and a clock that stands still."""

import pytest
from registry_auth.challenge import Challenge
from registry_auth.clients import build_basic
from registry_auth.deciding import ClientRequest, Refusal, build_fault, decide_refusal, decide_request
from registry_auth.errors import FaultClass, UpstreamFault
from registry_auth.model import Scheme, Secret, Upstream, User, Users
from registry_auth.tokens import REFUSED_SECONDS, Token, UpstreamAuthorizer

BASIC = Challenge(scheme="basic", parameters=(("realm", "x"),))
BEARER = Challenge(scheme="bearer", parameters=(("realm", "https://auth.example.com/token"), ("service", "s")))
USERS = Users(generation="1", anonymous=False, users=(User(username="u", password=Secret("p")),))
REPOSITORY = "deckhouse/ee"


class MemoryUpstream:
    """Answers challenges and tokens; `fault` is raised instead of a token."""

    def __init__(self, challenge: Challenge | None, lifetime: float = 300) -> None:
        self.challenge = challenge
        self.lifetime = lifetime
        self.fault: UpstreamFault | None = None
        self.urls: list[str] = []
        self.logins: list[str] = []
        self.now = 1000.0

    def fetch_challenges(self, upstream: Upstream) -> tuple[Challenge, ...]:
        return (self.challenge,) if self.challenge else ()

    def fetch_token(self, upstream: Upstream, url: str, authorization: str) -> Token:
        self.urls.append(url)
        self.logins.append(authorization)
        if self.fault:
            raise self.fault
        return Token(value=f"t{len(self.urls)}", lifetime=self.lifetime)

    def authorizer(self, login: str = "u:p") -> UpstreamAuthorizer:
        username, _, password = login.partition(":")
        upstream = Upstream(
            generation="1",
            scheme=Scheme.HTTPS,
            host="registry.example.com",
            path="/deckhouse/ee",
            ca="",
            username=username,
            password=Secret(password),
        )
        return UpstreamAuthorizer(upstream, self, lambda: self.now)


def ask(path: str = "/v2/system/deckhouse/manifests/v1", login: str = "u:p") -> ClientRequest:
    username, _, password = login.partition(":")
    return ClientRequest(method="GET", uri=path, authorization=build_basic(username, password))


@pytest.mark.parametrize("challenge", [BASIC, None], ids=["asked for", "not asked for"])
def test_basic_is_the_upstreams_login(challenge: Challenge | None) -> None:
    assert MemoryUpstream(challenge).authorizer().authorization(REPOSITORY) == build_basic("u", "p")


def test_an_open_upstream_is_asked_without_login() -> None:
    assert MemoryUpstream(None).authorizer("").authorization(REPOSITORY) == ""


def test_an_upstream_that_wants_a_login_when_there_is_none_is_a_fault() -> None:
    with pytest.raises(UpstreamFault, match="none is configured"):
        MemoryUpstream(BASIC).authorizer("").authorization(REPOSITORY)


def test_a_token_is_asked_for_with_service_scope_and_login_and_used_until_shortly_before_its_end() -> None:
    memory = MemoryUpstream(BEARER)
    authorizer = memory.authorizer()
    seen = [authorizer.authorization(REPOSITORY)]
    memory.now += 269
    seen.append(authorizer.authorization(REPOSITORY))
    memory.now += 2
    seen.append(authorizer.authorization(REPOSITORY))

    assert seen == ["Bearer t1", "Bearer t1", "Bearer t2"]
    assert memory.urls[0] == "https://auth.example.com/token?service=s&scope=repository%3Adeckhouse%2Fee%3Apull"
    assert memory.logins[0] == build_basic("u", "p")


def test_anonymous_tokens_are_asked_for_without_login() -> None:
    memory = MemoryUpstream(BEARER)

    assert memory.authorizer("").authorization(REPOSITORY) == "Bearer t1"
    assert memory.logins == [""]


def test_each_repository_has_its_own_token() -> None:
    authorizer = MemoryUpstream(BEARER).authorizer()

    assert authorizer.authorization("a") != authorizer.authorization("b")


def test_a_refused_login_is_not_tried_again_for_a_minute() -> None:
    memory = MemoryUpstream(BEARER)
    memory.fault = UpstreamFault(FaultClass.DENIED, "no")
    authorizer = memory.authorizer()
    for _ in range(5):
        with pytest.raises(UpstreamFault, match="refuses the credentials of user 'u'"):
            authorizer.authorization(REPOSITORY)
    assert len(memory.urls) == 1

    memory.now += REFUSED_SECONDS + 1
    memory.fault = None
    assert authorizer.authorization(REPOSITORY) == "Bearer t2"


def test_a_token_server_in_trouble_is_asked_again() -> None:
    memory = MemoryUpstream(BEARER)
    memory.fault = UpstreamFault(FaultClass.UNAVAILABLE, "503")
    authorizer = memory.authorizer()
    with pytest.raises(UpstreamFault):
        authorizer.authorization(REPOSITORY)
    memory.fault = None

    assert authorizer.authorization(REPOSITORY) == "Bearer t2"


def test_an_old_token_that_lost_its_power_is_replaced_once() -> None:
    memory = MemoryUpstream(BEARER)
    authorizer = memory.authorizer()
    used = authorizer.authorization(REPOSITORY)
    memory.now += 60

    assert authorizer.after_refusal(REPOSITORY, used) == "Bearer t2"
    assert authorizer.after_refusal(REPOSITORY, used) == "Bearer t2"  # another request that still had the old one
    with pytest.raises(UpstreamFault, match="fresh token"):
        authorizer.after_refusal(REPOSITORY, "Bearer t2")


def test_an_upstream_that_changed_from_basic_to_bearer_is_followed() -> None:
    memory = MemoryUpstream(BASIC)
    authorizer = memory.authorizer()
    used = authorizer.authorization(REPOSITORY)
    memory.challenge = BEARER

    assert authorizer.after_refusal(REPOSITORY, used) == "Bearer t1"


def test_a_refused_basic_login_stops_for_its_repository_only() -> None:
    authorizer = MemoryUpstream(BASIC).authorizer()
    used = authorizer.authorization("a")
    with pytest.raises(UpstreamFault, match="refuses the credentials"):
        authorizer.after_refusal("a", used)

    with pytest.raises(UpstreamFault, match="not asked again"):
        authorizer.authorization("a")
    assert authorizer.authorization("b") == used


def test_a_request_goes_on_with_path_and_authorization() -> None:
    reply = decide_request(ask(), USERS, MemoryUpstream(BEARER).authorizer())

    assert (reply.status, dict(reply.headers)) == (
        200,
        {
            "X-Accel-Redirect": "@upstream",
            "X-Upstream-Path": "/v2/deckhouse/ee/manifests/v1",
            "X-Upstream-Authorization": "Bearer t1",
            "X-Attempt": "1",
        },
    )


@pytest.mark.parametrize("path", ["/v2/", "/v2/system/deckhouse/manifests/v1", "/v2/other/tags/list", "/"])
def test_who_is_not_logged_in_learns_nothing(path: str) -> None:
    memory = MemoryUpstream(BEARER)

    assert decide_request(ask(path, "u:wrong"), USERS, memory.authorizer()).status == 401
    assert memory.urls == []


def test_a_second_refusal_in_one_request_is_the_end_of_it() -> None:
    memory = MemoryUpstream(BEARER)
    authorizer = memory.authorizer()
    memory.now += 60
    first = decide_refusal(ask(), Refusal(status=401, attempt=1, used="Bearer old"), authorizer)
    second = decide_refusal(ask(), Refusal(status=401, attempt=2, used="Bearer t1"), authorizer)

    assert dict(first.headers)["X-Attempt"] == "2"
    assert second.status == 502


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultClass.DENIED, 502),
        (FaultClass.UNTRUSTED, 502),
        (FaultClass.RATE_LIMITED, 429),
        (FaultClass.UNAVAILABLE, 503),
        (FaultClass.TIMEOUT, 504),
    ],
)
def test_each_fault_of_the_upstream_has_its_status(kind: FaultClass, status: int) -> None:
    reply = build_fault(UpstreamFault(kind, "why", retry_after=7))

    assert reply.status == status
    assert dict(reply.headers)["Retry-After"] == "7"
    assert b"why" in reply.body
