# SPDX-License-Identifier: Apache-2.0
"""Begin a state where there is none: a cluster that is met for the first time, or whose state was lost."""

import os
from collections.abc import Mapping
from typing import Any

from d8registry.adapters.halting import is_rebuild_asked
from d8registry.adapters.runtime import Run
from d8registry.errors import InvalidObject
from d8registry.kube.platform import is_fixed
from d8registry.kube.state import NAME, RECOVER
from d8registry.model.state import State
from d8registry.switching.initial import build_initial_state
from d8registry.switching.observe import find_highest_counter
from d8registry.switching.observed import Observed
from d8registry.switching.rebuild import has_fixed_remains, rebuild_state
from d8registry.switching.remains import read_remains


def begin_state(observed: Observed, run: Run, seen: Mapping[str, Any]) -> State | tuple[str, str]:
    """Begin a state, or say why not (reason, message).

    While the platform pulls from the fixed address a state is rebuilt on request only: what is left of a lost one may
    be less than there was. Raises InvalidObject where it cannot be rebuilt.
    """
    if observed.platform is None:
        message = (
            "Secret d8-system/deckhouse-registry is missing; the platform creates it. Nothing is changed until then"
        )
        return "PlatformRegistryMissing", message
    counter = find_highest_counter(seen, observed.nodes)
    epoch, salt = os.urandom(4).hex(), os.urandom(16).hex()
    if is_fixed(observed.platform) and not is_rebuild_asked(run, seen):
        return "StateMissing", f"the fixed address is in use, but Secret d8-system/{NAME} has no state: {RECOVER}"
    if is_fixed(observed.platform) or has_fixed_remains(seen):
        if observed.foreign_managers:
            raise InvalidObject(f"the state cannot be rebuilt: {', '.join(observed.foreign_managers)}")
        return rebuild_state(observed, seen, highest_counter=counter, epoch=epoch, salt=salt, now=run.now)
    return build_initial_state(
        observed.platform,
        observed,
        highest_counter=counter,
        epoch=epoch,
        salt=salt,
        retained_hosts=read_remains(seen).retained_hosts,
    )
