# SPDX-License-Identifier: Apache-2.0
"""What a step, or a guard, answers when asked whether it is through."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The step is confirmed."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Not yet: `reason` is one CamelCase word, `message` names what is waited for, its owner and how far it is.

    `progress` changes whenever something moved: the step's deadline counts from its last change. `is_failure`: waiting
    longer only does harm, so the step fails now. `is_timed`: it ends by itself at a time that `message` tells, so the
    step's deadline does not count meanwhile.
    """

    reason: str
    message: str
    progress: str = ""
    is_failure: bool = False
    is_timed: bool = False


Outcome = Done | Waiting
