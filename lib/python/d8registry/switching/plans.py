# SPDX-License-Identifier: Apache-2.0
"""Plans as data: which stages lead from one mode to another, and what is in effect during each.

A stage is a step, or a phase of a step, with everything that it puts into effect. Realise reads the effects of the
present stage; decide walks the list. So a stage that puts nothing new into effect needs no write, and what a crash
left half-written is completed by the next run of the same stage.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from d8registry.model.condition import ConditionType
from d8registry.model.settings import Mode
from d8registry.model.state import Phase, Step


class Sources(StrEnum):
    """What nodes, or the platform's own step, are to have.

    OLD: the old generation's source; BOTH: the new one under the fixed address, the old one in its own folder; NEW: the
    new one, and of the old real host at most its CA.
    """

    OLD = "old"
    BOTH = "both"
    NEW = "new"


class Address(StrEnum):
    """What Secret deckhouse-registry is to hold.

    UNTOUCHED: what the platform has; BOTH: the new address with the entries of both; NEW: the new entry alone.
    """

    UNTOUCHED = "untouched"
    BOTH = "both"
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage: `nodes` for all, `canaries` for the first few; `bashible` None leaves the Secret as it is."""

    step: Step
    condition: ConditionType
    phase: Phase = Phase.ALL
    nodes: Sources = Sources.OLD
    canaries: Sources | None = None
    bashible: Sources | None = None
    proxy: bool = False
    address: Address = Address.UNTOUCHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A named, versioned list of stages; before `no_return` a failure rolls back by itself."""

    name: str
    stages: tuple[Stage, ...]
    no_return: Step

    def find(self, step: Step, phase: Phase) -> int:
        """Index of a stage."""
        return next(i for i, stage in enumerate(self.stages) if (stage.step, stage.phase) == (step, phase))

    def is_before_no_return(self, step: Step) -> bool:
        """Tell whether the way back is still open during `step`."""
        steps = [stage.step for stage in self.stages]
        return steps.index(step) < steps.index(self.no_return)


_OLD, _BOTH, _NEW = Sources.OLD, Sources.BOTH, Sources.NEW

# From SwitchAddress on both sources stand, the proxy serves, and both bases work.
_serving = partial(Stage, nodes=_BOTH, bashible=_BOTH, proxy=True, address=Address.BOTH)

UNMANAGED_TO_DIRECT = Plan(
    name="unmanaged-to-direct/1",
    no_return=Step.SWITCH_ADDRESS,
    stages=(
        Stage(step=Step.CHECK_IMAGES, condition=ConditionType.IMAGES),
        Stage(step=Step.GUARDS, condition=ConditionType.PREFLIGHT),
        Stage(step=Step.PREPARE_NODES, condition=ConditionType.TRANSITION, bashible=_OLD),
        Stage(
            step=Step.ADD_SOURCE,
            phase=Phase.CANARY,
            condition=ConditionType.TRANSITION,
            canaries=_BOTH,
            bashible=_OLD,
        ),
        Stage(step=Step.ADD_SOURCE, condition=ConditionType.TRANSITION, nodes=_BOTH, bashible=_OLD),
        Stage(step=Step.START_PROXY, condition=ConditionType.PROXY, nodes=_BOTH, bashible=_BOTH, proxy=True),
        _serving(step=Step.SWITCH_ADDRESS, condition=ConditionType.ADDRESS),
        _serving(step=Step.PREFER_NEW, condition=ConditionType.FINAL),
        _serving(step=Step.FINALISE_NODES, phase=Phase.EVIDENCE, condition=ConditionType.FINAL),
        _serving(step=Step.FINALISE_NODES, condition=ConditionType.FINAL, nodes=_NEW, bashible=_NEW),
        _serving(step=Step.CLEAN_UP, condition=ConditionType.CLEANUP, nodes=_NEW, bashible=_NEW, address=Address.NEW),
    ),
)

PLANS = {plan.name: plan for plan in (UNMANAGED_TO_DIRECT,)}
TRANSITIONS = {(Mode.UNMANAGED, Mode.DIRECT): UNMANAGED_TO_DIRECT}

STEADY_UNMANAGED = Stage(step=Step.CLEAN_UP, condition=ConditionType.READY, nodes=_OLD)
STEADY_DIRECT = UNMANAGED_TO_DIRECT.stages[-1]
