# SPDX-License-Identifier: Apache-2.0
"""The decisions of the token server: who gets a token for what.

Source: distribution's specifications "Token Authentication" and "OAuth2". Strict about service, account and login,
whose faults are refused by name. What an account may not have is left out of the token, `pull` on the rest is granted:
having less than was asked for "must not be considered an error" there, and containerd depends on it: it asks for the
repository of the image reference besides the one that a rewrite leads to. The registry refuses the request itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from box.registries.accounts import Account, check_login, list_repositories
from box.registries.catalogue import Registry
from box.registries.journal import CREDENTIAL_CLAIM

LIFE_SECONDS = 60
KEY_ID = "box-token-server"
_SCOPE = re.compile(r"^repository(?:\([a-z]+\))?:(?P<name>[a-z0-9._/-]+):(?P<actions>[a-z*,]+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for a token, by GET with Basic or by POST with a form. `account` is the query's; None when absent."""

    service: str
    scopes: tuple[str, ...]
    login: tuple[str, str] | None
    account: str | None = None
    grant: str = "password"


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What the token is for."""

    user: str
    repositories: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why there is no token."""

    status: int
    code: str
    message: str


def decide_token(asked: Asked, registry: Registry, accounts: Sequence[Account]) -> Granted | Refused:
    """Grant or refuse a token."""
    if asked.grant != "password":
        return Refused(status=400, code="UNSUPPORTED", message=f"grant_type {asked.grant!r}: only password")
    if asked.service != registry.host:
        message = f"service {asked.service!r}: this server speaks for {registry.host!r}"
        return Refused(status=400, code="UNSUPPORTED", message=message)
    if asked.login is None:
        return Refused(status=401, code="UNAUTHORIZED", message="no anonymous access")
    if asked.account is not None and asked.account != asked.login[0]:
        return Refused(status=401, code="UNAUTHORIZED", message="account and user name differ")
    account = check_login(accounts, *asked.login)
    if account is None:
        return Refused(status=401, code="UNAUTHORIZED", message="wrong user name or password")
    allowed = list_repositories(account, registry)
    names = set()
    for scope in asked.scopes:
        found = _SCOPE.match(scope)
        if not found:
            return Refused(status=400, code="UNSUPPORTED", message=f"scope {scope!r} is not understood")
        if found["name"] in allowed and "pull" in found["actions"].split(","):
            names.add(found["name"])
    return Granted(user=account.user, repositories=tuple(sorted(names)))


def sign_token(granted: Granted, registry: Registry, credential: str, key: bytes, now: int, number: str) -> str:
    """Sign what was granted, for LIFE_SECONDS from `now` (Unix time); `number` makes the token unique."""
    claims: dict[str, Any] = {
        "iss": registry.token_host,
        "aud": registry.host,
        "sub": granted.user,
        "iat": now,
        "nbf": now,
        "exp": now + LIFE_SECONDS,
        "jti": number,
        "access": [{"type": "repository", "name": name, "actions": ["pull"]} for name in granted.repositories],
        CREDENTIAL_CLAIM: credential,
    }
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": KEY_ID})


def create_signing_key() -> tuple[bytes, dict[str, Any]]:
    """Make a key; returns it as PEM and its public half as a key set for distribution."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return key.private_bytes(*form), {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "ES256"}]}
