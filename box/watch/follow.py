# SPDX-License-Identifier: Apache-2.0
"""Follow a switch live: steps, nodes done of total, what is waited for, elapsed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from box.watch.api import Api
from box.watch.fleet import Fleet, read_fleet
from box.watch.timing import StepSpan, advance_spans, close_spans
from box.watch.view import STATE_PATH, SwitchView, describe_hold, describe_wait, is_finished, read_view

PLAN_PATH = "/api/v1/namespaces/d8-system/secrets/registry-node-plan"
FOLLOW_SECONDS = 300.0
HOLD_SECONDS = 5.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One reading of the switch."""

    at: datetime
    view: SwitchView
    fleet: Fleet
    spans: tuple[StepSpan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How following ended: `ready` is when Ready was seen, None with the reason in `stopped`."""

    ready: datetime | None
    stopped: str
    spans: tuple[StepSpan, ...]
    last: Moment


def fetch_moment(api: Api, spans: tuple[StepSpan, ...]) -> Moment:
    """Read state, node plan and Nodes once."""
    view = read_view(api.find(STATE_PATH))
    fleet = read_fleet(api.find(PLAN_PATH), api.fetch_items("/api/v1/nodes"))
    now = datetime.now(UTC)
    return Moment(at=now, view=view, fleet=fleet, spans=advance_spans(spans, view.step, now))


def follow(
    api: Api,
    target: str,
    edited: datetime,
    show: Callable[[Moment], None],
    timeout: float = FOLLOW_SECONDS,
    above: int = -1,
) -> Ending:
    """Read the switch twice a second until it is Ready in mode `target`, stands still for 5 s, or time is over.

    `above` is the generation of settings that the switch leads away from, see `is_finished`.
    """
    spans: tuple[StepSpan, ...] = advance_spans((), "", edited)
    held_since: datetime | None = None
    while True:
        moment = fetch_moment(api, spans)
        spans = moment.spans
        show(moment)
        if is_finished(moment.view, target, above):
            return Ending(ready=moment.at, stopped="", spans=close_spans(spans, moment.at), last=moment)
        held = describe_hold(moment.view)
        held_since = (held_since or moment.at) if held else None
        if held_since and (moment.at - held_since).total_seconds() >= HOLD_SECONDS:
            return Ending(ready=None, stopped=held, spans=close_spans(spans, moment.at), last=moment)
        if (moment.at - edited).total_seconds() > timeout:
            stopped = f"not Ready after {timeout:.0f} s, in step {moment.view.step or 'none'}: "
            stopped += describe_wait(moment.view)
            return Ending(ready=None, stopped=stopped, spans=close_spans(spans, moment.at), last=moment)
        time.sleep(_POLL_SECONDS)


class Screen:
    """Shows readings: a live block on a terminal, else a line whenever something changed and every ten seconds."""

    def __init__(self, console: Console, edited: datetime, count_pulls: Callable[[], str]) -> None:
        self._console = console
        self._edited = edited
        self._count_pulls = count_pulls
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._printed = ("", 0.0)
        self._finished = 0

    def __enter__(self) -> "Screen":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, moment: Moment) -> None:
        """Show one reading."""
        elapsed = (moment.at - self._edited).total_seconds()
        for span in moment.spans[self._finished :]:
            if span.ended is not None:
                self._console.print(Text(f"{elapsed:6.1f}s  done: {span.name} in {span.measure(moment.at):.1f} s"))
                self._finished += 1
        line = f"{self._describe(moment)}  {self._count_pulls()}"
        if self._live:
            head = Text(f"{elapsed:6.1f}s  {line}", style="bold")
            rows = [Text(f"         {one}", style="dim") for one in moment.fleet.open[:6]]
            self._live.update(Group(head, Text(f"         waits for {describe_wait(moment.view) or '-'}"), *rows))
            return
        news = f"{self._describe(moment)} {describe_wait(moment.view)}"
        if news != self._printed[0] or elapsed - self._printed[1] >= 10:
            waits = describe_wait(moment.view) or "-"
            self._console.print(Text(f"{elapsed:6.1f}s  {line}  waits for {waits}"), soft_wrap=True)
            self._printed = (news, elapsed)

    def _describe(self, moment: Moment) -> str:
        step = moment.view.step or "at rest"
        return f"{step}  nodes {moment.fleet.done}/{moment.fleet.total}"
