# SPDX-License-Identifier: Apache-2.0
"""Secret registry-checks: the answers to the questions that are asked now."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from d8registry.checker.outcome import Outcome
from d8registry.errors import InvalidObject

NAME = "registry-checks"
KEY = "checks"


class Kind(StrEnum):
    """What a result answers."""

    IMAGES = "images"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that was not found: an image, a pod, or (no owner, the subject as reference) the whole registry."""

    reference: str
    outcome: Outcome
    message: str
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How far one question is answered.

    `subject` names the registry (`host/path`) or the proxy. `done`: everything was asked; `open` are the indexes of
    the question's parts that are not found yet, asked or not. `final`: asking again cannot help. `attempt` counts from
    1; `next_at` is when to ask again what is open.
    """

    key: str
    kind: Kind
    subject: str
    done: bool
    at: datetime
    attempt: int
    next_at: datetime
    total: int
    open: tuple[int, ...]
    problems: tuple[Problem, ...] = ()
    final: bool = False

    @property
    def ok(self) -> bool:
        """Everything was asked and found."""
        return self.done and not self.open and not self.problems

    @property
    def found(self) -> int:
        """How many parts are there."""
        return self.total - len(self.open)


def render_results(results: Iterable[CheckResult]) -> str:
    """Build the JSON text of key `checks`, sorted by key."""
    items = [_render(result) for result in sorted(results, key=lambda result: result.key)]
    return json.dumps(items, separators=(",", ":"))


def parse_results(text: str) -> dict[str, CheckResult]:
    """Read key `checks` as key -> result; empty text holds none. Raises InvalidObject."""
    try:
        results = [_parse(item) for item in json.loads(text or "[]")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidObject(
            f"Secret d8-system/{NAME}: key {KEY} is not what this release writes ({type(error).__name__}: {error}); "
            f"delete the Secret, everything is asked again: kubectl -n d8-system delete secret {NAME}"
        ) from error
    return {result.key: result for result in results}


def _render(result: CheckResult) -> dict[str, Any]:
    return {
        "key": result.key,
        "kind": result.kind.value,
        "subject": result.subject,
        "done": result.done,
        "ok": result.ok,
        "final": result.final,
        "at": _render_time(result.at),
        "attempt": result.attempt,
        "nextAt": _render_time(result.next_at),
        "total": result.total,
        "found": result.found,
        "open": list(result.open),
        "problems": [
            {
                "reference": problem.reference,
                "owner": problem.owner,
                "class": problem.outcome.value,
                "message": problem.message,
            }
            for problem in result.problems
        ],
    }


def _parse(item: dict[str, Any]) -> CheckResult:
    return CheckResult(
        key=item["key"],
        kind=Kind(item["kind"]),
        subject=item["subject"],
        done=item["done"],
        final=item["final"],
        at=_parse_time(item["at"]),
        attempt=item["attempt"],
        next_at=_parse_time(item["nextAt"]),
        total=item["total"],
        open=tuple(item["open"]),
        problems=tuple(
            Problem(
                reference=problem["reference"],
                owner=problem["owner"],
                outcome=Outcome(problem["class"]),
                message=problem["message"],
            )
            for problem in item["problems"]
        ),
    )


def _render_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)
