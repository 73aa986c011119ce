# SPDX-License-Identifier: Apache-2.0
"""What one decision says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from d8registry.errors import InvalidSettings
from d8registry.model.condition import ConditionType
from d8registry.model.state import State
from d8registry.switching.guards import Guard
from d8registry.switching.outcome import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The state to be, and what is to be told of it.

    `waiting`: what the present stage waits for. `done`: messages of the conditions that came true in this run. `guards`
    and `invalid`: why the settings are not being followed.
    """

    state: State
    waiting: Waiting | None = None
    done: Mapping[ConditionType, str] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()
    invalid: InvalidSettings | None = None
