# SPDX-License-Identifier: Apache-2.0
"""Log in to a registry: Basic, or one bearer token a scope; never a second try after a refusal."""

import base64
import json
import threading
import time
from collections.abc import Callable
from urllib.parse import urlencode

from urllib3 import BaseHTTPResponse

from d8registry.adapters.http_answers import read_body, read_words
from d8registry.checker.challenge import Challenge, is_own_realm, parse_challenges
from d8registry.checker.outcome import Answer, Outcome
from d8registry.model.endpoint import Endpoint, Scheme

Fetch = Callable[[str, dict[str, str]], BaseHTTPResponse]


class Refused(Exception):
    """Asking on is no use in this run, `answer` says why: a signal between two modules, not an error of the tree."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.message)


class Authorizer:
    """Keep what the registry accepted: the value of header Authorization for each repository.

    Thread-safe: one login at a time, and none after the first refusal.
    """

    def __init__(self, endpoint: Endpoint, fetch: Fetch, deadline: float) -> None:
        self._endpoint, self._fetch, self._deadline = endpoint, fetch, deadline
        self._lock = threading.Lock()
        self._headers: dict[str, str] = {}
        self._refusal: Answer | None = None

    def find_header(self, repository: str) -> str:
        """Give the header for a repository; empty before the first challenge."""
        with self._lock:
            if self._refusal is not None:
                raise Refused(self._refusal)
            return self._headers.get(repository, "")

    def answer_challenge(self, repository: str, used: str, response_header: str, words: str) -> None:
        """Log in after a 401 that `used` (a header or empty) got; raises Refused when that cannot help."""
        with self._lock:
            if self._refusal is not None:
                raise Refused(self._refusal)
            if self._headers.get(repository, "") != used:
                return  # another thread has logged in meanwhile
            try:
                self._headers[repository] = self._login(repository, used, response_header, words)
            except Refused as refused:
                self._refusal = refused.answer
                raise

    def _login(self, repository: str, used: str, response_header: str, words: str) -> str:
        challenges = parse_challenges(response_header)
        bearer = next((item for item in challenges if item.scheme == "bearer"), None)
        if used:
            if used.startswith("Bearer "):
                who = "the token server knows the user" if self._endpoint.credentials else "anonymous pulls are refused"
                outcome = Outcome.DENIED if self._endpoint.credentials else Outcome.UNAUTHENTICATED
                raise Refused(Answer(outcome=outcome, message=f"{who}, yet the registry says: {words}"))
            raise Refused(Answer(outcome=Outcome.UNAUTHENTICATED, message=f"the password was refused: {words}"))
        if bearer is not None:
            return "Bearer " + self._fetch_token(bearer, repository)
        if not any(item.scheme == "basic" for item in challenges):
            raise Refused(Answer(outcome=Outcome.UNAUTHENTICATED, message=f"no login of a known kind: {words}"))
        if not self._endpoint.credentials:
            raise Refused(Answer(outcome=Outcome.UNAUTHENTICATED, message="a user is required and none is set"))
        return self._build_basic()

    def _fetch_token(self, challenge: Challenge, repository: str) -> str:
        host, https = self._endpoint.host, self._endpoint.scheme is Scheme.HTTPS
        if not is_own_realm(challenge.realm, host, https=https):
            raise Refused(
                Answer(
                    outcome=Outcome.UNTRUSTED,
                    message=f"it names a token server outside its own domain ({challenge.realm[:100]}); "
                    "the password was not sent there",
                )
            )
        scope = challenge.scope or f"repository:{repository}:pull"
        query = urlencode([(key, value) for key, value in (("service", challenge.service), ("scope", scope)) if value])
        separator = "&" if "?" in challenge.realm else "?"
        headers = {"Authorization": self._build_basic()} if self._endpoint.credentials else {}
        response = self._fetch(f"{challenge.realm}{separator}{query}", headers)
        body = read_body(response, min(self._deadline, time.monotonic() + 10)) or b""
        if response.status in (401, 403):
            words = read_words(body, response.status)
            raise Refused(
                Answer(outcome=Outcome.UNAUTHENTICATED, message=f"the token server refused the login: {words}")
            )
        token = _find_token(body) if response.status == 200 else ""
        if not token:
            raise Refused(
                Answer(
                    outcome=Outcome.RATE_LIMITED if response.status == 429 else Outcome.SERVER_ERROR,
                    message=f"the token server gave no token: {read_words(body, response.status)}",
                )
            )
        return token

    def _build_basic(self) -> str:
        credentials = self._endpoint.credentials
        pair = f"{credentials.username}:{credentials.password.value}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


def _find_token(body: bytes) -> str:
    try:
        answer = json.loads(body)
        return str(answer.get("token") or answer.get("access_token") or "")
    except (ValueError, AttributeError):
        return ""
