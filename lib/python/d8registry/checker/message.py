# SPDX-License-Identifier: Apache-2.0
"""Say a result in one line for people."""

from d8registry.checker.outcome import REMEDIES, Outcome
from d8registry.checker.result import CheckResult, Kind, Problem

SHOWN = 3


def summarise(result: CheckResult) -> str:
    """Name the registry, what is wrong with which image and whose it is, and what to do; never a secret."""
    if result.kind is Kind.IMAGES:
        count = f"{result.subject}: {result.found} of {result.total} images found"
    else:
        count = f"{result.subject}: {result.found} of {result.total} answers of its pods are as wanted"
    if result.ok:
        return count
    if not result.problems:
        return f"{count}, still asking"
    whole = next((problem for problem in result.problems if problem.reference == result.subject), None)
    if whole is not None:
        return f"{result.subject}: {_say(whole)}; {REMEDIES[whole.outcome]}"
    shown = [f"{_name(problem)}: {_say(problem)}" for problem in result.problems[:SHOWN]]
    if len(result.problems) > SHOWN:
        shown.append(f"and {len(result.problems) - SHOWN} more")
    remedies = list(dict.fromkeys(REMEDIES[problem.outcome] for problem in result.problems))
    end = "" if result.done else ", still asking"
    return f"{count}{end}; {'; '.join(shown)}. To do: {'; '.join(remedies[:2])}"


def _name(problem: Problem) -> str:
    return f"{problem.reference} ({problem.owner})" if problem.owner else problem.reference


def _say(problem: Problem) -> str:
    words = "" if problem.outcome is Outcome.OK else problem.outcome.value
    return f"{words}: {problem.message}" if problem.message else words
