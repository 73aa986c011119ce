# SPDX-License-Identifier: Apache-2.0
"""What is searched in `make test`: every transition, with the faults and crashes that fit into its time."""

from tests.prove.proof import Job

JOBS = (
    Job(transition="unmanaged-a-to-direct-b"),
    Job(transition="direct-b-to-unmanaged"),
    Job(transition="unmanaged-a-to-direct-b-config-path-off"),
    Job(transition="direct-a-to-direct-b"),
    Job(transition="direct-a-to-a-new-password"),
    Job(transition="direct-a-to-a-other-path"),
)
