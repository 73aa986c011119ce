# SPDX-License-Identifier: Apache-2.0
"""Begin a rotation of the module's own authority: on request, in the last year of its life, or when its key is lost."""

from dataclasses import replace
from datetime import datetime

from d8registry.model.settings import Mode
from d8registry.model.state import State
from d8registry.switching.advance import begin
from d8registry.switching.observed import Observed
from d8registry.switching.plans import ROTATE_AUTHORITY

REQUEST = "rotate-ca"


def follow_authority(state: State, observed: Observed, now: datetime) -> State:
    """Begin a rotation where one is due and nothing else is under way.

    In Unmanaged nothing trusts the authority, and the next switch to Direct issues another one if need be.
    """
    if state.switch is not None or state.is_paused or state.current.mode is not Mode.DIRECT:
        return state
    asked, handled = observed.rotation, dict(state.requests)
    is_due = observed.rotate_after is not None and now >= observed.rotate_after
    if not is_due and (asked is None or handled.get(REQUEST) == asked):
        return state
    requests = handled | ({REQUEST: asked} if asked is not None else {})
    begun = begin(ROTATE_AUTHORITY, ROTATE_AUTHORITY.stages[0], state.current, now)
    return replace(state, switch=begun, requests=tuple(sorted(requests.items())))
