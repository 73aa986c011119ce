# SPDX-License-Identifier: Apache-2.0
"""What is searched in `make prove`, each transition in a process of its own.

First, in a cluster of one node, each fault after each write of the faultless runs; then all faultless runs of a cluster
with a worker, and the faults that workers see; for some transitions also what two masters see. Then crashes, and for
small transitions each fault at any moment with all orders of what follows. `_LIMIT` and `_SMALL_LIMIT` bound memory and
time: a search that reaches them says so.
"""

from collections.abc import Iterator

from tests.prove.faults import FAULTS
from tests.prove.proof import Job
from tests.prove.transitions import TRANSITIONS

_LIMIT, _SMALL_LIMIT = 60_000, 15_000
_NAMES = tuple(fault.name for fault in FAULTS)
_WORKERS = (
    "worker-dies",
    "worker-reboots",
    "worker-is-away-past-the-grace",
    "registry-d-is-emptied",
    "node-joins",
    "etcd-is-restored",
)
_MASTERS = (
    "master-dies",
    "master-reboots",
    "master-is-away-past-the-grace",
    "proxy-pod-is-gone",
    "operator-freezes-in-a-run",
    "platform-is-slower-than-the-soak",
    "copy-is-written-late",
)
_OF_TWO_MASTERS = ("unmanaged-a-to-direct-b", "direct-a-to-direct-b", "authority-is-rotated")
_ALONE = tuple(name for name in _NAMES if name not in _WORKERS)
# All of these are small enough for each fault in all orders.
_SMALL = ("direct-a-to-a-other-path", "direct-a-to-a-new-password", "direct-a-to-direct-b", "authority-is-rotated")


def _build(name: str) -> Iterator[Job]:
    yield Job(transition=name, faults=_ALONE, sweep=True, workers=0, stop_at=20)
    yield Job(transition=name, faults=_WORKERS, sweep=True, stop_at=20)
    yield Job(transition=name, with_crash=True, workers=0, limit=_LIMIT)
    if name in _OF_TWO_MASTERS:
        yield Job(transition=name, faults=_MASTERS, sweep=True, masters=2, workers=0, stop_at=20)
    for fault in FAULTS if name in _SMALL else ():
        # What breaks by itself is told apart by a sweep alone (decision record 58).
        if not fault.breaks:
            yield Job(transition=name, faults=(fault.name,), workers=0, limit=_SMALL_LIMIT)


JOBS = tuple(job for transition in TRANSITIONS for job in _build(transition.name))
