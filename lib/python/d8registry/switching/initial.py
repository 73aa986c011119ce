# SPDX-License-Identifier: Apache-2.0
"""The state of a cluster that is met for the first time, or whose state came back from a backup."""

from dataclasses import replace

from d8registry.kube.platform import is_fixed
from d8registry.model.settings import Mode
from d8registry.model.state import Generation, State
from d8registry.switching.observed import Observed


def build_initial_state(observed: Observed, *, highest_counter: int, epoch: str, salt: str) -> State | None:
    """Build the state of a cluster that the module meets for the first time; None while it cannot be told.

    `epoch` and `salt` are fresh random hex digits.
    That is: Secret deckhouse-registry is missing, or already names the fixed address, so that a state must have been
    there and is lost.
    """
    if observed.platform is None or is_fixed(observed.platform):
        return None
    current = Generation(number=1, mode=Mode.UNMANAGED, endpoint=observed.platform)
    return State(
        revision=0,
        current=current,
        owns_real_host=observed.manages_hosts,
        counter=highest_counter + 1,
        epoch=epoch,
        salt=salt,
        requests=tuple(sorted(observed.requests.items())),
    )


def resume_state(state: State, *, highest_counter: int, highest_revision: int) -> State:
    """Bring a state from a backup above everything that was written after it: revisions, and the nodes' counter."""
    counter = max(state.counter, highest_counter) + 1
    return replace(state, revision=highest_revision + 1, counter=counter)
