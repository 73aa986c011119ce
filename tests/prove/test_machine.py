# SPDX-License-Identifier: Apache-2.0
"""Clusters of several nodes, several faults and settings that change again and again, drawn by Hypothesis.

What varies: workers, whether containerd had `config_path`; which of the possible moves comes next; which
faults happen and when, each once; which settings are asked for, several times. What must hold: every invariant in
every state and at every move; and once nothing more is asked for, the cluster comes to rest.
"""

from __future__ import annotations

import os
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.prove.canonical import build_key
from tests.prove.ends import find_wrong_end, read_ready
from tests.prove.faults import FAULTS
from tests.prove.invariants import EXCUSES_THE_PROXY, find_violations, find_wrong_moves
from tests.prove.moves import BUDGET, Move, happen, list_moves, pass_time
from tests.prove.registries import A, B, C
from tests.prove.start import ask, find_transition
from tests.prove.store import World, change
from tests.prove.transitions import TO_A, TO_B, TO_C, UNMANAGED, edit, resize

_MANY = 6000
# What takes away a thing that only a person brings back would leave nothing to look at after it. Nobody is later than a
# whole switch.
_FAULTS = {
    fault.name: fault
    for fault in FAULTS
    if fault.heals and fault.target is None and fault.name != "copy-is-written-late"
}
_SETTINGS = {
    "direct a": (TO_A, "Direct", f"{A}/"),
    "direct b": (TO_B, "Direct", f"{B}/"),
    "plain c": (TO_C, "Direct", f"{C}/"),
    "unmanaged": (UNMANAGED, "Unmanaged", ""),
}
_STARTS = ("unmanaged-a-to-direct-b", "unmanaged-a-to-direct-b-config-path-off", "direct-a-to-direct-b")


class Cluster(RuleBasedStateMachine):
    """One life of a cluster."""

    world: World
    happened: frozenset[str]
    wanted: tuple[str, ...]

    @initialize(name=st.sampled_from(_STARTS), workers=st.integers(0, 4))
    def start(self, name: str, workers: int) -> None:
        self.transition = resize(find_transition(name), 1, workers)
        self.world, self.happened, self.trace = ask(self.transition), frozenset(), [f"{name}, {workers} workers"]
        self.wanted = self.transition.mode, f"{self.transition.host}/"

    @rule(steps=st.lists(st.integers(0, 40), min_size=1, max_size=30))
    def go_on(self, steps: list[int]) -> None:
        """Events in any order."""
        for step in steps:
            moves = self._list_moves()
            self._take(moves[step % len(moves)] if moves else pass_time(self.world))

    @rule(name=st.sampled_from(sorted(_FAULTS)))
    def fail(self, name: str) -> None:
        """A fault, once each."""
        if name in self.happened:
            return
        clean = self.world.put(change(self.world.docs[BUDGET], fault=""))
        move = happen(clean, _FAULTS[name])
        if move is not None:
            self.happened |= {name}
            self._take(replace(move, after=self._remember(move.after, name)))

    def _remember(self, world: World, name: str) -> World:
        """What took the proxy away counts longer than what happened after it."""
        excuse = next((one for one in sorted(self.happened) if one.startswith(EXCUSES_THE_PROXY)), name)
        return world.put(change(world.docs[BUDGET], fault=excuse))

    @rule(name=st.sampled_from(sorted(_SETTINGS)))
    def change_settings(self, name: str) -> None:
        """Somebody changes their mind."""
        self.trace.append(f"settings {name}")
        section, *wanted = _SETTINGS[name]
        self.world, self.wanted = edit(self.world, section), tuple(wanted)

    def teardown(self) -> None:
        """Nothing more is asked for: it comes to rest, and says how."""
        if not hasattr(self, "world"):
            return
        for _ in range(_MANY):
            moves = self._list_moves()
            # The last ones are the nodes': so neither side waits for the other for ever.
            move = moves[len(self.trace) % len(moves)] if moves else pass_time(self.world)
            before = build_key(self.world)
            self._take(move)
            if not moves and build_key(self.world) == before:
                self._judge(self._find_wrong_end())
                return
        self._judge(["it does not come to rest"])

    def _find_wrong_end(self) -> list[str]:
        """All that failed heals, so it must be at rest where it was last asked to go."""
        ready, wanted = read_ready(self.world), f"mode {self.wanted[0]}, {self.wanted[1]}"
        if not ready["message"].startswith(wanted):
            return [f"end: not at rest in {wanted} ({ready['reason']}: {ready['message']})"]
        # Which registry Unmanaged keeps depends on how far the switch before was.
        return [text for text in find_wrong_end(self.world, self.transition) if not text.startswith("end: not at rest")]

    def _list_moves(self) -> list[Move]:
        key = build_key(self.world)
        return [move for move in list_moves(self.world, (), with_crash=False) if build_key(move.after) != key]

    def _take(self, move: Move) -> None:
        self.trace.append(move.label)
        wrong = list(find_wrong_moves(self.world, move))
        self.world = move.after
        self._judge([*wrong, *find_violations(self.world)])

    def _judge(self, wrong: list[str]) -> None:
        assert not wrong, "\n".join([*wrong, *self.trace])


_EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "12"))
Cluster.TestCase.settings = settings(
    max_examples=_EXAMPLES,
    stateful_step_count=12,
    deadline=None,
    derandomize=_EXAMPLES <= 12,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestCluster = Cluster.TestCase
