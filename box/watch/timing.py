# SPDX-License-Identifier: Apache-2.0
"""How long each step of a switch took, from readings of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

BEFORE = "(before the first step)"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpan:
    """One step as seen from outside; `ended` is the reading that first showed another step, None while it runs."""

    name: str
    started: datetime
    ended: datetime | None = None

    def measure(self, now: datetime) -> float:
        """Seconds of this step, up to `now` while it runs."""
        return ((self.ended or now) - self.started).total_seconds()


def advance_spans(spans: Sequence[StepSpan], step: str, now: datetime) -> tuple[StepSpan, ...]:
    """Add one reading: the same step goes on, another one ends the last span and starts its own.

    An empty `step` (no switch runs) before the first one counts as waiting for it, and after it as the end.
    """
    if not spans:
        return (StepSpan(name=step or BEFORE, started=now),)
    last = spans[-1]
    name = step or (BEFORE if last.name == BEFORE else "")
    if last.ended is not None and not name:
        return tuple(spans)
    if last.ended is None and name == last.name:
        return tuple(spans)
    closed = (*spans[:-1], StepSpan(name=last.name, started=last.started, ended=last.ended or now))
    return (*closed, StepSpan(name=name, started=now)) if name else closed


def close_spans(spans: Sequence[StepSpan], now: datetime) -> tuple[StepSpan, ...]:
    """End the span that still runs."""
    if not spans or spans[-1].ended is not None:
        return tuple(spans)
    return (*spans[:-1], StepSpan(name=spans[-1].name, started=spans[-1].started, ended=now))
