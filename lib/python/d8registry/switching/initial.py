# SPDX-License-Identifier: Apache-2.0
"""The state of a cluster that is met for the first time, or whose state came back from a backup."""

from dataclasses import replace

from d8registry.model.endpoint import Endpoint
from d8registry.model.settings import Mode
from d8registry.model.state import Generation, State
from d8registry.switching.observed import Observed


def build_initial_state(
    endpoint: Endpoint,
    observed: Observed,
    *,
    highest_counter: int,
    epoch: str,
    salt: str,
    retained_hosts: tuple[Endpoint, ...] = (),
) -> State:
    """Build the state of a cluster that pulls from the real registry `endpoint`; `epoch` and `salt` are fresh.

    `retained_hosts`: where a state was lost, the other real hosts whose authority the nodes have for who pulls there.
    """
    current = Generation(number=1, mode=Mode.UNMANAGED, endpoint=endpoint)
    return State(
        revision=0,
        current=current,
        owns_real_host=observed.manages_hosts,
        counter=highest_counter + 1,
        epoch=epoch,
        salt=salt,
        requests=tuple(sorted(observed.requests.items())),
        retained_hosts=tuple(one for one in retained_hosts if one.host != endpoint.host),
    )


def resume_state(state: State, *, highest_counter: int, highest_revision: int) -> State:
    """Bring a state from a backup above everything that was written after it: revisions, and the nodes' counter."""
    counter = max(state.counter, highest_counter) + 1
    return replace(state, revision=highest_revision + 1, counter=counter)
