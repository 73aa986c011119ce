# SPDX-License-Identifier: Apache-2.0
"""What is searched in `make prove`: every transition with each fault, and with a crash after any write."""

from tests.prove.faults import FAULTS
from tests.prove.proof import Job
from tests.prove.transitions import TRANSITIONS

LIMIT = 400_000
_SMALL = ("direct-a-to-a-other-path", "direct-a-to-a-new-password")
_NAMES = tuple(fault.name for fault in FAULTS)

# A search keeps what it has seen: faults are put into groups, so that each is complete within its memory.
_GROUPS = tuple(_NAMES[start : start + 3] for start in range(0, len(_NAMES), 3))
JOBS = (
    *(Job(transition=item.name, with_crash=True, limit=LIMIT) for item in TRANSITIONS),
    *(Job(transition=name, faults=group, with_crash=True, limit=LIMIT) for name in _SMALL for group in _GROUPS),
    *(
        Job(transition=item.name, faults=group, limit=LIMIT)
        for item in TRANSITIONS
        if item.name not in _SMALL
        for group in _GROUPS
    ),
)
