# SPDX-License-Identifier: Apache-2.0
"""What is searched in `make test`: small transitions with a crash after any write, larger ones without, some faults.

Every search here is complete and clean. `make prove` searches the rest.
"""

from tests.prove.proof import Job

_FAULTS = ("worker-dies", "registry-a-hangs", "slow-run")
JOBS = (
    Job(transition="direct-a-to-a-new-password", with_crash=True),
    Job(transition="direct-a-to-a-other-path", with_crash=True),
    Job(transition="unmanaged-a-to-direct-b-config-path-off"),
    Job(transition="direct-a-to-direct-b"),
    Job(
        transition="direct-a-to-a-other-path",
        sweep=True,
        faults=("worker-dies", "registry-a-hangs", "state-is-deleted"),
    ),
)
