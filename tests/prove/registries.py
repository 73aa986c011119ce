# SPDX-License-Identifier: Apache-2.0
"""What registries truly hold, whom they know, and how they answer a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache

from d8registry.adapters.certificates import issue_authority

Login = tuple[str, str]


class Answer(StrEnum):
    """How one request ends. Only HANG keeps a pull from trying the next source."""

    OK = "ok"
    REFUSED = "refused"
    UNTRUSTED = "untrusted"
    UNAUTHENTICATED = "unauthenticated"
    MISSING = "missing"
    HANG = "hang"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """`logins` maps user and password to the repositories below which they may read."""

    host: str
    logins: dict[Login, tuple[str, ...]]
    scheme: str = "https"
    ca: str = ""


@cache
def issue_ca(host: str) -> str:
    """The authority of a registry, made once a process."""
    assert host in (A, B)  # what speaks plain HTTP has none
    return issue_authority(datetime(2026, 11, 23, tzinfo=UTC)).pem


A, B, C = "registry.example.com", "mirror.example.org", "plain.example.net:5000"
PATH_A, PATH_B, TENANT_PATH = "deckhouse/ee", "mirror/d8/se", "shop"
LOGIN_A, LOGIN_A2 = ("puller", "pass-a-4e1f0c"), ("puller", "pass-a-new-77d2")
LOGIN_B = ("mirror", "pass-b-91ac3e")
LOGIN_C, LOGIN_LICENCE = ("plain", "pass-c-0d51"), ("license-token", "licence-a-2be8")
LOGIN_TENANT = ("shop", "pass-tenant-5b")
WRONG = ("puller", "pass-wrong-00")
PASSWORDS = tuple(password for _, password in (LOGIN_A, LOGIN_A2, LOGIN_B, LOGIN_C, LOGIN_LICENCE, LOGIN_TENANT, WRONG))


@cache
def list_registries() -> dict[str, Registry]:
    """All registries by host. A's platform repositories lie beside those of tenants."""
    paths = (PATH_A, PATH_B)
    return {
        A: Registry(
            host=A,
            ca=issue_ca(A),
            logins={LOGIN_A: paths, LOGIN_A2: paths, LOGIN_LICENCE: paths, LOGIN_TENANT: (TENANT_PATH,)},
        ),
        B: Registry(host=B, logins={LOGIN_B: (PATH_B,)}, ca=issue_ca(B)),
        C: Registry(host=C, logins={LOGIN_C: (PATH_B,)}, scheme="http"),
    }


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong with registries now: (host, trouble), and logins that are known no more."""

    troubles: tuple[tuple[str, Answer], ...] = ()
    revoked: tuple[Login, ...] = ()


WELL = Health()


def answer(health: Health, scheme: str, host: str, repository: str, login: Login | None, ca: str) -> Answer:
    """Answer a request for a manifest or a layer below a repository."""
    registry = list_registries().get(host.removesuffix(":443"))
    if registry is None:
        return Answer.REFUSED
    trouble = dict(health.troubles).get(registry.host)
    if trouble in (Answer.REFUSED, Answer.HANG):
        return trouble
    if scheme != registry.scheme:
        return Answer.REFUSED
    if registry.ca and registry.ca.strip() not in ca:
        return Answer.UNTRUSTED
    allowed = registry.logins.get(login, ()) if login is not None and login not in health.revoked else ()
    if trouble is Answer.UNAUTHENTICATED or not any(_is_below(repository, path) for path in allowed):
        return Answer.UNAUTHENTICATED
    return trouble or Answer.OK


def _is_below(repository: str, path: str) -> bool:
    return repository == path or repository.startswith(f"{path}/")
