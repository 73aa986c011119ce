# SPDX-License-Identifier: Apache-2.0
"""One deliberate bug of production code, as text to find and text to put there."""

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "lib" / "python" / "d8registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`old` stands exactly once in `file` (below lib/python/d8registry) and is replaced by `new`.

    `bug` says what a person would have got wrong; `search` names the transition in which it is seen soonest, and
    `fault` what has to happen there (of faults.py, or "crash"), with so many `masters`, in few orders of events or in
    all of them; without them it is looked for everywhere.
    """

    name: str
    bug: str
    file: str
    old: str
    new: str
    search: str = ""
    fault: str = ""
    masters: int | None = None
    in_all_orders: bool = False


class MutantDoesNotApply(Exception):
    """The code moved on: the mutant must be written anew, or goes because what it broke is gone."""


def mutate(mutant: Mutant, package: Path = PACKAGE) -> str:
    """Return the text of the file with the bug in it; raises MutantDoesNotApply."""
    text = (package / mutant.file).read_text()
    count = text.count(mutant.old)
    if count != 1:
        raise MutantDoesNotApply(f"mutant {mutant.name}: its text stands {count} times in {mutant.file}, not once")
    return text.replace(mutant.old, mutant.new)
