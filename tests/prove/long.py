# SPDX-License-Identifier: Apache-2.0
"""What is searched in `make prove`, each transition in a process of its own.

First all faultless runs, with each fault after each write of theirs; then crashes; then, in a cluster of one node, each
fault at any moment with all orders of what follows. `_LIMIT` and `_SMALL_LIMIT` bound memory and time: a search that
reaches them says so.
"""

from collections.abc import Iterator

from tests.prove.faults import FAULTS
from tests.prove.proof import Job
from tests.prove.transitions import TRANSITIONS, Transition

_LIMIT, _SMALL_LIMIT = 120_000, 15_000
_NAMES = tuple(fault.name for fault in FAULTS)


def _build(transition: Transition) -> Iterator[Job]:
    name = transition.name
    yield Job(transition=name, faults=_NAMES, sweep=True, stop_at=20)
    yield Job(transition=name, with_crash=True, workers=0, limit=_LIMIT)
    yield from (Job(transition=name, faults=(fault,), workers=0, limit=_SMALL_LIMIT) for fault in _NAMES)


JOBS = tuple(job for transition in TRANSITIONS for job in _build(transition))
