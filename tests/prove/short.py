# SPDX-License-Identifier: Apache-2.0
"""What is searched in `make test`: small transitions with a crash after any write, larger ones without.

Every search here is complete and clean. What is not here has not been searched to its end yet: the two transitions from
and to Unmanaged with `config_path` on (about 90,000 states each), and faults, which `make prove` searches.
"""

from tests.prove.proof import Job

JOBS = (
    Job(transition="direct-a-to-a-new-password", with_crash=True),
    Job(transition="direct-a-to-a-other-path", with_crash=True),
    Job(transition="unmanaged-a-to-direct-b-config-path-off"),
    Job(transition="direct-a-to-direct-b"),
)
