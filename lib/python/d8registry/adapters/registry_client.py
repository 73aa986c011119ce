# SPDX-License-Identifier: Apache-2.0
"""Ask a registry for manifests, gently: kept-alive connections, few at a time, one login."""

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from d8registry.adapters.authorization import Authorizer, Refused
from d8registry.adapters.http_answers import (
    LARGEST_BODY,
    classify_failure,
    read_body,
    read_retry_after,
    read_words,
    redact,
)
from d8registry.adapters.tls import build_context
from d8registry.checker.outcome import OF_REGISTRY, Answer, Outcome, classify_status
from d8registry.errors import InvalidObject
from d8registry.model.endpoint import Endpoint
from d8registry.model.image import RequiredImage

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
CONCURRENCY = 8
REQUEST_SECONDS = 10.0
TRIES = 4
FIRST_PAUSE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run learnt: an answer for each index that was asked in time; `of_registry` ended the run early."""

    answers: Mapping[int, Answer] = field(default_factory=dict)
    of_registry: Answer | None = None


class OutOfTime(Exception):
    """The run's deadline came before this image had an answer."""


def fetch_manifests(endpoint: Endpoint, images: Sequence[tuple[int, RequiredImage]], seconds: float) -> Report:
    """GET each image's manifest within `seconds`.

    The first image is asked alone: it finds out whether the registry can be reached and logs in, so a wrong password
    costs one failed login however many images there are. What is not answered in time is left out.
    """
    if not images:
        return Report()
    deadline = time.monotonic() + seconds
    try:
        context = build_context(endpoint.ca)
    except InvalidObject as error:
        return Report(of_registry=Answer(outcome=Outcome.UNTRUSTED, message=str(error)))
    answers: dict[int, Answer] = {}
    of_registry = None
    with PoolManager(maxsize=CONCURRENCY, block=True, ssl_context=context, retries=False) as pool:
        client = _Client(endpoint, pool, deadline)
        try:
            first, *others = images
            answer = client.fetch(first[1])
            if answer.outcome not in (Outcome.OK, Outcome.MISSING, Outcome.DENIED, Outcome.CORRUPT):
                raise Refused(answer)
            answers[first[0]] = answer
            client.fetch_all(iter(others), answers)
        except OutOfTime:
            pass  # what has no answer is asked in the next run
        except Refused as refused:
            of_registry = redact(refused.answer, endpoint.credentials)
    redacted = {index: redact(answer, endpoint.credentials) for index, answer in sorted(answers.items())}
    return Report(answers=redacted, of_registry=of_registry)


class _Client:
    def __init__(self, endpoint: Endpoint, pool: PoolManager, deadline: float) -> None:
        self._endpoint, self._pool, self._deadline = endpoint, pool, deadline
        self._origin = f"{endpoint.scheme}://{endpoint.host}"
        self._authorizer = Authorizer(endpoint, self._get, deadline)
        self._not_before = 0.0  # a 429 holds everybody back
        self._stopped: Answer | None = None
        self._lock = threading.Lock()

    def fetch_all(self, images: Iterator[tuple[int, RequiredImage]], answers: dict[int, Answer]) -> None:
        """Ask all from CONCURRENCY threads; raises Refused when one of them learnt that it is no use."""
        with ThreadPoolExecutor(CONCURRENCY) as executor:
            runs = [executor.submit(self._work, images, answers) for _ in range(CONCURRENCY)]
        errors = [error for run in runs if (error := run.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, OutOfTime)):
            raise error

    def _work(self, images: Iterator[tuple[int, RequiredImage]], answers: dict[int, Answer]) -> None:
        while True:
            with self._lock:
                item = next(images, None)
            if item is None:
                return
            try:
                answer = self.fetch(item[1])
                if answer.outcome in OF_REGISTRY:
                    raise Refused(answer)
            except Refused as refused:
                self._stopped = refused.answer
                raise
            with self._lock:
                answers[item[0]] = answer

    def fetch(self, image: RequiredImage) -> Answer:
        """Ask for one image, again after 429, 5xx and broken connections, but not beyond the deadline."""
        answer = Answer(outcome=Outcome.SERVER_ERROR)
        for attempt in range(TRIES):
            self._wait()
            answer = self._try(image)
            if answer.outcome not in (Outcome.RATE_LIMITED, Outcome.SERVER_ERROR):
                break
            pause = max(answer.retry_after, FIRST_PAUSE * 2**attempt)
            if time.monotonic() + pause >= self._deadline and answer.outcome is Outcome.RATE_LIMITED:
                raise Refused(answer)
            if attempt + 1 == TRIES or time.monotonic() + pause >= self._deadline:
                break
            if answer.outcome is Outcome.RATE_LIMITED:
                with self._lock:
                    self._not_before = max(self._not_before, time.monotonic() + pause)
            else:
                time.sleep(pause)
        return answer

    def _try(self, image: RequiredImage) -> Answer:
        repository = "/".join(filter(None, (self._endpoint.repository, image.repository)))
        url = f"{self._origin}/v2/{repository}/manifests/{image.reference}"
        try:
            while True:
                header = self._authorizer.find_header(repository)
                response = self._get(url, {"Accept": ACCEPT, **({"Authorization": header} if header else {})})
                response = self._follow(url, response)
                body = read_body(response, min(self._deadline, time.monotonic() + REQUEST_SECONDS))
                if body is None:
                    self._left()
                    return Answer(outcome=Outcome.TIMEOUT, message=f"{self._endpoint.host} sends too slowly")
                if response.status != 401:
                    return _judge(image, response, body)
                words = read_words(body, 401)
                challenge = ", ".join(response.headers.getlist("WWW-Authenticate"))
                self._authorizer.answer_challenge(repository, header, challenge, words)
        except HTTPError as error:
            answer = classify_failure(error, self._endpoint.host)
            if answer.outcome is Outcome.TIMEOUT:
                self._left()
            return answer

    def _follow(self, url: str, response: BaseHTTPResponse) -> BaseHTTPResponse:
        """Follow redirects, without credentials, never from https to http."""
        for _ in range(3):
            target = response.headers.get("Location", "")
            if response.status not in (301, 302, 303, 307, 308) or not target:
                break
            url = urljoin(url, target)
            if urlsplit(url).scheme != "https" and self._origin.startswith("https"):
                break
            response.drain_conn()
            response = self._get(url, {"Accept": ACCEPT})
        return response

    def _get(self, url: str, headers: dict[str, str]) -> BaseHTTPResponse:
        seconds = min(REQUEST_SECONDS, self._left())
        return self._pool.request(
            "GET",
            url,
            headers=headers,
            timeout=Timeout(connect=min(5.0, seconds), read=seconds),
            redirect=False,
            preload_content=False,
        )

    def _left(self) -> float:
        """Seconds to the deadline; raises OutOfTime when it is near, as what fails then says nothing."""
        left = self._deadline - time.monotonic()
        if left < 0.05:
            raise OutOfTime
        return left

    def _wait(self) -> None:
        while (pause := self._not_before - time.monotonic()) > 0:
            time.sleep(min(pause, self._left()))
        self._left()
        if self._stopped is not None:
            raise Refused(self._stopped)


def _judge(image: RequiredImage, response: BaseHTTPResponse, body: bytes) -> Answer:
    outcome = classify_status(response.status, authenticated=True)
    if outcome is not Outcome.OK:
        retry_after = read_retry_after(response.headers) or 0.0
        return Answer(outcome=outcome, message=read_words(body, response.status), retry_after=retry_after)
    expected = image.reference if ":" in image.reference else response.headers.get("Docker-Content-Digest", "")
    if len(body) > LARGEST_BODY:
        return Answer(outcome=Outcome.CORRUPT, message="the manifest is larger than 8 MiB")
    algorithm = expected.partition(":")[0]
    if algorithm in ("sha256", "sha512") and _digest(algorithm, body) != expected:
        return Answer(outcome=Outcome.CORRUPT, message=f"its content has digest {_digest(algorithm, body)}")
    if not body.lstrip().startswith(b"{"):
        return Answer(outcome=Outcome.CORRUPT, message="it is not a manifest")
    return Answer(outcome=Outcome.OK)


def _digest(algorithm: str, body: bytes) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
