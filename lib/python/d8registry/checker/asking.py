# SPDX-License-Identifier: Apache-2.0
"""Choose what to ask in one run, and fold the answers into the result that is remembered."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from d8registry.checker.outcome import Answer, Outcome
from d8registry.checker.question import ImagesQuestion, Question
from d8registry.checker.result import CheckResult, Kind, Problem

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=5)
PROXY_PAUSE = timedelta(seconds=2)
PROXY_SUBJECT = "Deployment d8-system/registry-incluster-proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question to put now: only the parts in `indexes`; `previous` is what is known of it."""

    question: Question
    indexes: tuple[int, ...]
    previous: CheckResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One countable part of a question: what a problem with it is called, and who needs it."""

    reference: str
    owner: str = ""


def plan_asks(questions: Iterable[Question], results: Mapping[str, CheckResult], now: datetime) -> tuple[Ask, ...]:
    """Choose what is asked at `now`: what has no finished answer, and what failed and is due again.

    The proxy is asked first: it is near, and answers at once.
    """
    asks = []
    for question in sorted(questions, key=lambda question: (isinstance(question, ImagesQuestion), question.key)):
        previous = results.get(question.key)
        everything = tuple(range(len(build_parts(question))))
        if previous is None:
            asks.append(Ask(question=question, indexes=everything))
        elif not previous.done:
            asked = {(problem.reference, problem.owner) for problem in previous.problems}
            parts = build_parts(question)
            rest = tuple(index for index in previous.open if (parts[index].reference, parts[index].owner) not in asked)
            asks.append(Ask(question=question, indexes=rest, previous=previous))
        elif not previous.ok and not previous.final and previous.next_at <= now:
            indexes = previous.open if isinstance(question, ImagesQuestion) else everything
            asks.append(Ask(question=question, indexes=indexes, previous=previous))
        elif previous.ok and _is_due_again(question, previous, now):
            asks.append(Ask(question=question, indexes=everything))
    return tuple(asks)


def _is_due_again(question: Question, previous: CheckResult, now: datetime) -> bool:
    if not isinstance(question, ImagesQuestion) or not question.every_seconds:
        return False
    return previous.at + timedelta(seconds=question.every_seconds) <= now


def fold_answers(ask: Ask, answers: Mapping[int, Answer], of_registry: Answer | None, now: datetime) -> CheckResult:
    """Put the answers of one run (index of a part -> answer) to what was known.

    `of_registry` is an answer that ends the question for now, whatever was not asked: the registry cannot be reached,
    or refuses the credentials. Parts without an answer are asked in the next run.
    """
    parts = build_parts(ask.question)
    continues = ask.previous is not None and not ask.previous.done
    before = set(ask.previous.open) if ask.previous is not None else set(range(len(parts)))
    still_open = (before | set(ask.indexes)) - {
        index for index, answer in answers.items() if answer.outcome is Outcome.OK
    }
    problems = list(ask.previous.problems) if ask.previous is not None and continues else []
    problems += [
        Problem(
            reference=parts[index].reference,
            owner=parts[index].owner,
            outcome=answer.outcome,
            message=answer.message,
        )
        for index, answer in sorted(answers.items())
        if answer.outcome is not Outcome.OK
    ]
    subject = find_subject(ask.question)
    if of_registry is not None:
        problems.append(Problem(reference=subject, outcome=of_registry.outcome, message=of_registry.message))
    done = of_registry is not None or set(ask.indexes) <= set(answers)
    attempt = 1 if ask.previous is None else ask.previous.attempt + (0 if continues else 1)
    wait = max(answer.retry_after for answer in (*answers.values(), of_registry or Answer(outcome=Outcome.OK)))
    kind = Kind.IMAGES if isinstance(ask.question, ImagesQuestion) else Kind.PROXY
    pause = max(_find_pause(kind, attempt), timedelta(seconds=wait)) if done else timedelta(0)
    return CheckResult(
        key=ask.question.key,
        kind=kind,
        subject=subject,
        done=done,
        final=any(problem.outcome is Outcome.UNAUTHENTICATED for problem in problems) and kind is Kind.IMAGES,
        at=now,
        attempt=attempt,
        next_at=now + pause,
        total=len(parts),
        open=tuple(sorted(still_open)),
        problems=tuple(problems),
    )


def build_parts(question: Question) -> tuple[Part, ...]:
    """List the parts that answers count: images in order; or for each pod its status, then each user."""
    if isinstance(question, ImagesQuestion):
        base = question.endpoint.base
        return tuple(
            Part(
                reference=f"{base}{'/' if image.repository else ''}{image.repository}"
                f"{'@' if ':' in image.reference else ':'}{image.reference}",
                owner=image.owner,
            )
            for image in question.images
        )
    return tuple(
        Part(reference=f"Pod d8-system/{pod.name}", owner=owner)
        for pod in question.pods
        for owner in ("status", *(f"user {user.username}" if user else "anonymous" for user in question.users))
    )


def find_subject(question: Question) -> str:
    """Name what is asked."""
    return str(question.endpoint.base) if isinstance(question, ImagesQuestion) else PROXY_SUBJECT


def _find_pause(kind: Kind, attempt: int) -> timedelta:
    if kind is Kind.PROXY:
        return PROXY_PAUSE
    return min(FIRST_PAUSE * (1 << min(attempt - 1, 10)), LONGEST_PAUSE)
