# SPDX-License-Identifier: Apache-2.0
"""What an answer tells of a registry as a whole: whether anything may lean on it."""

from typing import TYPE_CHECKING

from d8registry.model.state import Standing
from d8registry.switching.observed import Observed

if TYPE_CHECKING:  # at rest no run pays for them
    from d8registry.checker.question import ImagesQuestion, Question
    from d8registry.checker.result import CheckResult


def read_standing(question: "ImagesQuestion | None", observed: Observed) -> Standing:
    """Tell what the present answer says; UNKNOWN where there is none yet."""
    result = find_result(question, observed)
    if result is None or not result.done:
        return Standing.UNKNOWN
    from d8registry.checker.outcome import Outcome

    # A registry that speaks: a node goes on to the next source by itself.
    speaks, refuses = {Outcome.MISSING, Outcome.RATE_LIMITED}, {Outcome.UNAUTHENTICATED, Outcome.DENIED}
    outcomes = {problem.outcome for problem in result.problems}
    if result.ok or outcomes <= speaks:
        return Standing.ANSWERS
    return Standing.REFUSED if outcomes & refuses else Standing.SILENT


def is_failing(question: "ImagesQuestion | None", observed: Observed) -> bool:
    """Tell whether a registry that is watched failed twice in a row, or refuses for good."""
    result = find_result(question, observed)
    is_down = read_standing(question, observed) in (Standing.SILENT, Standing.REFUSED)
    return is_down and result is not None and (result.final or result.attempt > 1)


def find_result(question: "Question | None", observed: Observed) -> "CheckResult | None":
    """Find the answer to a question, if it is asked and answered."""
    return observed.checks.get(question.key) if question is not None else None
