# SPDX-License-Identifier: Apache-2.0
"""Translate what urllib3 raises and servers say into answers of the checker."""

import contextlib
import email.utils
import errno
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from d8registry.checker.outcome import Answer, Outcome
from d8registry.model.endpoint import Credentials

LARGEST_BODY = 8 << 20
_CERTIFICATE_NOT_YET_VALID, _CERTIFICATE_EXPIRED = 9, 10
_LONGEST_WORDS = 200


def classify_failure(error: HTTPError, host: str) -> Answer:
    """Class a request that got no HTTP answer; `host` is who was asked."""
    cause: BaseException = error
    if isinstance(error, MaxRetryError) and error.reason is not None:
        cause = error.reason
    if isinstance(cause, SSLError):
        return _classify_tls(cause, host)
    if isinstance(cause, NameResolutionError):
        return Answer(outcome=Outcome.UNRESOLVED, message=f"{host} has no address")
    if isinstance(cause, NewConnectionError):  # a kind of ConnectTimeoutError to urllib3
        number = cause.__cause__.errno if isinstance(cause.__cause__, OSError) else None
        words = errno.errorcode.get(number or 0, "no connection")
        return Answer(outcome=Outcome.REFUSED, message=f"{host} cannot be connected to: {words}")
    if isinstance(cause, ConnectTimeoutError | ReadTimeoutError):
        return Answer(outcome=Outcome.TIMEOUT, message=f"{host} did not answer in time")
    return Answer(outcome=Outcome.SERVER_ERROR, message=f"{host} broke the connection: {type(cause).__name__}")


def _classify_tls(error: SSLError, host: str) -> Answer:
    for cause in _walk(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            words = f"the certificate of {host}: {cause.verify_message}"
            is_time = cause.verify_code in (_CERTIFICATE_NOT_YET_VALID, _CERTIFICATE_EXPIRED)
            return Answer(outcome=Outcome.CLOCK if is_time else Outcome.UNTRUSTED, message=words)
        if isinstance(cause, ssl.SSLError) and cause.reason:
            words = cause.reason.lower().replace("_", " ")
            return Answer(outcome=Outcome.UNTRUSTED, message=f"no TLS with {host}: {words}")
    return Answer(outcome=Outcome.UNTRUSTED, message=f"no TLS with {host}: {_shorten(str(error))}")


def _walk(error: BaseException) -> Iterator[BaseException]:
    """Go down to what an exception was made of, which urllib3 keeps as an argument."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop()
        if id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            pending += [item for item in (*cause.args, cause.__cause__) if isinstance(item, BaseException)]


def read_body(response: BaseHTTPResponse, deadline: float) -> bytes | None:
    """Read a body of at most LARGEST_BODY bytes by `deadline` (time.monotonic()); None when it takes longer.

    A larger body comes back cut, one byte too long.
    """
    body = bytearray()
    for chunk in response.stream(64 << 10):
        body += chunk
        if len(body) > LARGEST_BODY:
            response.close()
            return bytes(body[: LARGEST_BODY + 1])
        if time.monotonic() > deadline:
            response.close()
            return None
    return bytes(body)


def read_words(body: bytes, status: int) -> str:
    """Take the first error of a distribution API body as `HTTP 403 DENIED: words`."""
    words = ""
    with contextlib.suppress(ValueError, TypeError, KeyError, IndexError, AttributeError):
        error = json.loads(body)["errors"][0]
        words = f"{error.get('code', '')}: {error.get('message', '')}".strip(": ")
    return _shorten(f"HTTP {status} {words}".strip())


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After as seconds from now (it may be a number or a date); None where there is none."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except ValueError:
        return None


def redact(answer: Answer, credentials: Credentials) -> Answer:
    """Take a password out of words that came from a server."""
    password = credentials.password.value
    return replace(answer, message=answer.message.replace(password, "…")) if password else answer


def _shorten(words: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in words)[:_LONGEST_WORDS]
