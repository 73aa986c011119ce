# SPDX-License-Identifier: Apache-2.0
"""The Authorization for the upstream: its Basic login, or bearer tokens that are fetched once and kept.

One fetch at a time for a scope (a repository to read); a token is used until shortly before it expires. A login that
the upstream refused for a scope is not tried there again for a minute: accounts get locked.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

from registry_auth.challenge import Challenge, choose_challenge, is_realm_allowed
from registry_auth.clients import build_basic
from registry_auth.errors import FaultClass, UpstreamFault
from registry_auth.model import Upstream

REFUSED_SECONDS = 60.0
_FRESH_SECONDS = 30.0
_MARGIN = 0.9  # a token serves for this part of its life
_LONGEST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token and how many seconds it lives, as its server says."""

    value: str = field(repr=False)
    lifetime: float


class UpstreamClient(Protocol):
    """What the authorizer needs of the network; both raise UpstreamFault."""

    def fetch_challenges(self, upstream: Upstream) -> tuple[Challenge, ...]:
        """Ask GET /v2/ without credentials; empty if it is answered without a challenge."""

    def fetch_token(self, upstream: Upstream, url: str, authorization: str) -> Token:
        """Ask a token server."""


@dataclass(slots=True)
class _Held:
    """A token in use, with times of the authorizer's clock."""

    header: str = field(repr=False)
    fetched: float
    until: float


@dataclass(slots=True)
class _Scope:
    lock: threading.Lock = field(default_factory=threading.Lock)
    held: _Held | None = None
    refused_until: float = 0.0


class UpstreamAuthorizer:
    """Gives the Authorization for one upstream; safe to use from several threads."""

    def __init__(self, upstream: Upstream, client: UpstreamClient, clock: Callable[[], float]) -> None:
        self.upstream = upstream
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._asked = False
        self._challenge: Challenge | None = None
        self._scopes: dict[str, _Scope] = {}

    def authorization(self, repository: str) -> str:
        """Return the Authorization for reading a repository, empty if none is needed; raises UpstreamFault."""
        scope = self._scope(repository)
        self._check_not_refused(scope)
        challenge = self._current_challenge()
        if challenge is None or challenge.scheme == "basic":
            return self._basic(required=challenge is not None)
        return self._bearer(challenge, scope, repository)

    def after_refusal(self, repository: str, used: str) -> str:
        """Return another Authorization after the upstream answered 401 to `used`.

        A token that somebody replaced meanwhile, that had lost its power early, or a changed kind of challenge gives
        one; else UpstreamFault says that our credentials are refused.
        """
        with self._lock:
            self._asked = False
        scope = self._scope(repository)
        with scope.lock:
            if scope.held and scope.held.header == used:
                if self._clock() - scope.held.fetched < _FRESH_SECONDS:
                    raise UpstreamFault(FaultClass.DENIED, f"{self._named()} refuses its own fresh token")
                scope.held = None
        authorization = self.authorization(repository)
        if authorization != used:
            return authorization
        scope.refused_until = self._clock() + REFUSED_SECONDS
        raise UpstreamFault(FaultClass.DENIED, self._refusal())

    def _bearer(self, challenge: Challenge, scope: _Scope, repository: str) -> str:
        with scope.lock:
            if scope.held is None or self._clock() >= scope.held.until:
                # Whoever held the lock before may have been refused just now.
                self._check_not_refused(scope)
                scope.held = self._fetch(challenge, scope, repository)
            return scope.held.header

    def _fetch(self, challenge: Challenge, scope: _Scope, repository: str) -> _Held:
        realm = challenge.parameter("realm")
        if not is_realm_allowed(realm, self.upstream):
            raise UpstreamFault(
                FaultClass.UNTRUSTED, f"{self._named()} asks for a login at a server outside its own domain"
            )
        query = {"scope": f"repository:{repository}:pull"}
        if service := challenge.parameter("service"):
            query = {"service": service, **query}
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        try:
            token = self._client.fetch_token(self.upstream, url, self._basic(required=False))
        except UpstreamFault as fault:
            if fault.kind is not FaultClass.DENIED:
                raise
            scope.refused_until = self._clock() + REFUSED_SECONDS
            raise UpstreamFault(FaultClass.DENIED, self._refusal()) from fault
        now = self._clock()
        until = now + min(token.lifetime * _MARGIN, _LONGEST_SECONDS)
        return _Held(header=f"Bearer {token.value}", fetched=now, until=until)

    def _current_challenge(self) -> Challenge | None:
        with self._lock:
            if not self._asked:
                self._challenge = choose_challenge(self._client.fetch_challenges(self.upstream))
                self._asked = True
            return self._challenge

    def _basic(self, *, required: bool) -> str:
        if self.upstream.username:
            return build_basic(self.upstream.username, self.upstream.password.value)
        if required:
            raise UpstreamFault(FaultClass.DENIED, f"{self._named()} asks for a login and none is configured")
        return ""

    def _scope(self, repository: str) -> _Scope:
        with self._lock:
            return self._scopes.setdefault(repository, _Scope())

    def _check_not_refused(self, scope: _Scope) -> None:
        if self._clock() < scope.refused_until:
            raise UpstreamFault(FaultClass.DENIED, self._refusal() + "; not asked again for a minute")

    def _refusal(self) -> str:
        who = f"the credentials of user {self.upstream.username!r}" if self.upstream.username else "anonymous access"
        return f"{self._named()} refuses {who}"

    def _named(self) -> str:
        return f"the upstream registry {self.upstream.host}"
