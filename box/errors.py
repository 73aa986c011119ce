# SPDX-License-Identifier: Apache-2.0
"""The one error of the box, and words that errors share."""

import difflib
from collections.abc import Iterable


class BoxError(Exception):
    """What went wrong with the box, in words for its user: the object, the trouble, the next command."""


def suggest(unknown: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the nearest known ones, or else all there are."""
    names = list(known)
    near = difflib.get_close_matches(unknown, names, n=3, cutoff=0.55)
    if near:
        return f"; did you mean {' or '.join(name for name in names if name in near)}?"
    return f"; there is {', '.join(names)}" if names else "; there is none"
