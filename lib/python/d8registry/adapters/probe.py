# SPDX-License-Identifier: Apache-2.0
"""Put the questions of one run to registries and proxies, within the run's time."""

import time
from collections.abc import Iterable
from datetime import datetime

from d8registry.adapters.proxy_client import fetch_proxy_answers
from d8registry.adapters.registry_client import fetch_manifests
from d8registry.checker.asking import Ask, fold_answers
from d8registry.checker.outcome import Answer, Outcome
from d8registry.checker.question import ProxyQuestion
from d8registry.checker.result import CheckResult

RUN_SECONDS = 24.0
PROXY_SECONDS = 8.0
WATCH_SECONDS = 6.0


def fetch_results(asks: Iterable[Ask], now: datetime) -> dict[str, CheckResult]:
    """Ask everything, for 24 seconds at most: key -> what is known now.

    What does not get its turn keeps its previous result, and has none on its first run.
    """
    deadline = time.monotonic() + RUN_SECONDS
    results: dict[str, CheckResult] = {}
    for ask in asks:
        left = deadline - time.monotonic()
        if left < 1:
            break
        if isinstance(ask.question, ProxyQuestion):
            answers = fetch_proxy_answers(ask.question, ask.indexes, min(PROXY_SECONDS, left))
            results[ask.question.key] = fold_answers(ask, answers, None, now)
        else:
            images = [(index, ask.question.images[index]) for index in ask.indexes]
            # A registry that hangs must not take the turn of the questions that a switch waits for.
            seconds = min(WATCH_SECONDS, left) if ask.question.every_seconds else left
            report = fetch_manifests(ask.question.endpoint, images, seconds)
            of_registry = report.of_registry
            if ask.question.every_seconds and seconds >= WATCH_SECONDS and not report.answers and of_registry is None:
                # It is asked for one image: silence for all that time is an answer, or a hang would never be seen.
                message = f"{ask.question.endpoint.host} has not answered within {WATCH_SECONDS:.0f} s"
                of_registry = Answer(outcome=Outcome.TIMEOUT, message=message)
            results[ask.question.key] = fold_answers(ask, report.answers, of_registry, now)
    return results
