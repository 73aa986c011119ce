# SPDX-License-Identifier: Apache-2.0
"""The chain of switches that an administrator may make in the life of a cluster, one after the other on one box."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from box.errors import BoxError
from box.scenario.run import Scenario
from box.watch.follow import Moment

A, B = "registry-a", "registry-b"
OTHER_PATH = "archive/d8/ee"
LEG_SECONDS = 600.0
BETWEEN_SECONDS = 3.0
"""How long the load pulls by what has just become usual before the next edit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One switch of the chain; `prepare` is what happens around the cluster just before the edit."""

    name: str
    build: Callable[[Scenario], dict[str, Any]]
    prepare: Callable[[Scenario], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One switch that ended Ready."""

    name: str
    edited: datetime
    ready: datetime

    @property
    def seconds(self) -> float:
        """From the edit to Ready."""
        return (self.ready - self.edited).total_seconds()


DIRECT_TO_DIRECT = "Direct(A) -> Direct(B, tokens)"

CHAIN = (
    Leg(name="Unmanaged(A) -> Direct(A)", build=lambda run: run.direct(A)),
    Leg(name=DIRECT_TO_DIRECT, build=lambda run: run.direct(B)),
    Leg(
        name="Direct(B) -> Direct(B, new password)",
        prepare=lambda run: run.new_password(B, keep_old=True),
        build=lambda run: run.direct(B),
    ),
    Leg(name="Direct(B) -> Direct(A, other path)", build=lambda run: run.direct(A, path=OTHER_PATH)),
    Leg(name="Direct(A, other path) -> Unmanaged(A)", build=lambda run: run.unmanaged(A, path=OTHER_PATH)),
)

# The usual reason to switch: A is gone, later B's old password is revoked at once; A comes back before it is needed.
CHAIN_FROM_DEAD = (
    Leg(
        name="Unmanaged(A, dead) -> Direct(B, tokens)",
        prepare=lambda run: run.fault(A, "down"),
        build=lambda run: run.direct(B),
    ),
    Leg(
        name="Direct(B, password revoked) -> Direct(B, new password)",
        prepare=lambda run: run.new_password(B),
        build=lambda run: run.direct(B),
    ),
    Leg(
        name="Direct(B) -> Direct(A, other path)",
        prepare=lambda run: run.fault(A, "clear"),
        build=lambda run: run.direct(A, path=OTHER_PATH),
    ),
    Leg(name="Direct(A, other path) -> Unmanaged(A)", build=lambda run: run.unmanaged(A, path=OTHER_PATH)),
)


def run_chain(
    run: Scenario,
    legs: tuple[Leg, ...],
    show: Callable[[str, Moment], None] = lambda _name, _moment: None,
    done: Callable[[Finished], None] = lambda _: None,
) -> tuple[Finished, ...]:
    """Make each switch and wait until it is Ready; raises BoxError naming the one that is not, and why."""
    finished = []
    for leg in legs:
        leg.prepare(run)
        section = leg.build(run)
        switch = run.edit(section, name=leg.name)
        ending = run.wait_ready(LEG_SECONDS, lambda moment, name=leg.name: show(name, moment))  # type: ignore[misc]
        if ending.ready is None:
            raise BoxError(f"{leg.name}: {ending.stopped}")
        finished.append(Finished(name=leg.name, edited=switch.started, ready=ending.ready))
        done(finished[-1])
        time.sleep(BETWEEN_SECONDS)
    return tuple(finished)
