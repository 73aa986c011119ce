# SPDX-License-Identifier: Apache-2.0
"""Ask each pod of the in-cluster proxy, at its own address, for its generations and for a manifest."""

import base64
import hashlib
import json
import time
from collections.abc import Iterable

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import HTTPError

from d8registry.adapters.http_answers import classify_failure, read_words, redact
from d8registry.adapters.registry_client import ACCEPT
from d8registry.adapters.tls import build_context
from d8registry.checker.outcome import Answer, Outcome, classify_status
from d8registry.checker.question import ProxyQuestion
from d8registry.model.cluster import ProxyPod
from d8registry.model.endpoint import FIXED_HOST, FIXED_PATH, Credentials

REGISTRY_PORT, STATUS_PORT = 5001, 5002
REQUEST_SECONDS = 5.0
LEAST_SECONDS = 1.0
POLL_SECONDS = 0.5
TRANSIENT = frozenset({Outcome.NOT_READY, Outcome.REFUSED, Outcome.TIMEOUT})


def fetch_proxy_answers(
    question: ProxyQuestion,
    indexes: Iterable[int],
    seconds: float,
    *,
    registry_port: int = REGISTRY_PORT,
    status_port: int = STATUS_PORT,
) -> dict[int, Answer]:
    """Answer the parts of a proxy question: for each pod its status, then a fetch with each user.

    A pod that does not serve the wanted generations yet is looked at again until `seconds` are over, and its users
    are not tried before: a password that the sidecar has not read yet would look wrong. Pods whose turn does not come
    in that time are left out.
    """
    deadline = time.monotonic() + seconds
    width = 1 + len(question.users)
    wanted = set(indexes)
    answers: dict[int, Answer] = {}
    for number, pod in enumerate(question.pods):
        parts = range(number * width, (number + 1) * width)
        if not wanted.intersection(parts):
            continue
        if answers and time.monotonic() >= deadline:
            break
        status = _await_status(question, pod, status_port, deadline)
        found = {parts[0]: status}
        for index, user in zip(parts[1:], question.users, strict=True):
            if status.outcome is not Outcome.OK:
                found[index] = Answer(outcome=status.outcome, message="not asked while its status is not as wanted")
            else:
                # An upstream that hangs must not take the turn of the questions that a switch waits for.
                left = max(LEAST_SECONDS, deadline - time.monotonic())
                found[index] = redact(_fetch_manifest(question, pod, user, registry_port, left), user)
        answers |= {index: answer for index, answer in found.items() if index in wanted}
    return answers


def _await_status(question: ProxyQuestion, pod: ProxyPod, port: int, deadline: float) -> Answer:
    while True:
        answer = _fetch_status(question, pod, port)
        if answer.outcome not in TRANSIENT or time.monotonic() + POLL_SECONDS >= deadline:
            return answer
        time.sleep(POLL_SECONDS)


def _fetch_status(question: ProxyQuestion, pod: ProxyPod, port: int) -> Answer:
    if not pod.ip:
        return Answer(outcome=Outcome.NOT_READY, message="it has no address yet")
    timeout = Timeout(connect=2.0, read=REQUEST_SECONDS)
    try:
        with HTTPConnectionPool(pod.ip, port, timeout=timeout, retries=False) as pool:
            response = pool.request("GET", "/status")
            status = json.loads(response.data) if response.status == 200 else {"message": f"HTTP {response.status}"}
            if not isinstance(status, dict):
                raise ValueError
    except HTTPError as error:
        return classify_failure(error, f"{pod.ip}:{port}")
    except ValueError:
        return Answer(outcome=Outcome.SERVER_ERROR, message="its status is not JSON")
    upstream, users, nginx = (
        str(status.get(key, "")) for key in ("upstreamGeneration", "usersGeneration", "nginxGeneration")
    )
    wanted = (question.upstream_generation, question.upstream_generation, question.users_generation)
    if (upstream, nginx, users) == wanted and status.get("ready") is True:
        return Answer(outcome=Outcome.OK)
    words = f"upstream {upstream or '-'} (nginx {nginx or '-'}) of {question.upstream_generation}"
    words += f", users {users or '-'} of {question.users_generation}; {status.get('message') or 'not ready'}"
    return Answer(outcome=Outcome.NOT_READY, message=words[:300])


def _fetch_manifest(question: ProxyQuestion, pod: ProxyPod, user: Credentials, port: int, seconds: float) -> Answer:
    """GET the manifest with the name and the authority that a node's containerd will use."""
    name = FIXED_HOST.partition(":")[0]
    headers = {"Host": FIXED_HOST, "Accept": ACCEPT}
    if user:
        pair = f"{user.username}:{user.password.value}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    pool = HTTPSConnectionPool(
        pod.ip,
        port,
        ssl_context=build_context(question.ca, with_system=False),
        server_hostname=name,
        assert_hostname=name,
        timeout=Timeout(connect=2.0, read=min(REQUEST_SECONDS * 2, seconds)),
        retries=False,
    )
    try:
        with pool:
            path = f"/v2{FIXED_PATH}/manifests/{question.reference}"
            response = pool.request("GET", path, headers=headers, redirect=False)
            body = response.data
    except HTTPError as error:
        return classify_failure(error, f"{pod.ip}:{port}")
    outcome = classify_status(response.status, authenticated=False)
    if outcome is not Outcome.OK:
        return Answer(outcome=outcome, message=read_words(body, response.status))
    algorithm, _, digest = question.reference.partition(":")
    if algorithm == "sha256" and hashlib.sha256(body).hexdigest() != digest:
        return Answer(outcome=Outcome.CORRUPT, message="its content has another digest")
    return Answer(outcome=Outcome.OK)
