# SPDX-License-Identifier: Apache-2.0
"""Tell whether the old credentials may be revoked, and if not, because of what."""

from d8registry.model.state import State, Step
from d8registry.switching.asking import Questions
from d8registry.switching.guards import name_some
from d8registry.switching.observed import Observed
from d8registry.switching.plans import is_roll_back, is_rotation


def build_revoke(state: State, observed: Observed, questions: Questions) -> str:
    """Build one line that begins with `yes` or `no`."""
    switch = state.switch
    if switch is None or is_rotation(switch):
        if state.leftovers:
            return (
                f"no, because {name_some(list(state.leftovers), 20)} may still need what was in use before "
                f"{state.current.endpoint.base}; a node catches up by itself once it is back"
            )
        return (
            f"yes, nothing needs other credentials than those of {state.current.endpoint.base} ({state.current.mode})"
        )
    old, new = state.current.endpoint.base, switch.candidate.endpoint.base
    if is_roll_back(switch):
        return f"no, because the switch to {new} is being rolled back to {old}"
    from d8registry.switching.confirm_evidence import list_needing  # at rest no run pays for it

    needing = list(list_needing(state, questions, observed))
    because = name_some(needing, 20) if needing else f"the switch to {new} is at step {switch.step}"
    if switch.step is Step.CLEAN_UP:
        because = f"pull secrets are losing the entry of {old} just now"
    return f"no, because {because}: {old} is still needed"
