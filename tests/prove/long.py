# SPDX-License-Identifier: Apache-2.0
"""What is searched in `make prove`, each transition in a process of its own.

First all faultless runs, with each fault after each write of theirs. Then, in a cluster of one node, crashes and each
fault at any moment with all orders of what follows. `_LIMIT` and `_SMALL_LIMIT` bound memory and time: a search that
reaches them says so.
"""

from tests.prove.faults import FAULTS
from tests.prove.proof import Job
from tests.prove.transitions import TRANSITIONS

_LIMIT, _SMALL_LIMIT = 120_000, 15_000
_NAMES = tuple(fault.name for fault in FAULTS)


# All of these are small enough for each fault in all orders.
_SMALL = ("direct-a-to-a-other-path", "direct-a-to-a-new-password", "direct-a-to-direct-b", "authority-is-rotated")

SWEEPS = tuple(Job(transition=item.name, faults=_NAMES, sweep=True, stop_at=20) for item in TRANSITIONS)
REST = (
    *(Job(transition=item.name, with_crash=True, workers=0, limit=_LIMIT) for item in TRANSITIONS),
    *(Job(transition=name, faults=(fault,), workers=0, limit=_SMALL_LIMIT) for name in _SMALL for fault in _NAMES),
)
