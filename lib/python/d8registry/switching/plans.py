# SPDX-License-Identifier: Apache-2.0
"""Plans as data: which stages lead from one generation to another, and what is in effect during each.

A stage is a step, or a phase of a step, with everything that it puts into effect. Realise reads the effects of the
present stage; decide walks the list. So a stage that puts nothing new into effect needs no write, and what a crash
left half-written is completed by the next run of the same stage. A stage that has nothing to do for what changes
(`needs`) is not in the list of that switch at all.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from d8registry.model.condition import ConditionType
from d8registry.model.settings import Mode
from d8registry.model.state import Change, Phase, State, Step, Switch, find_changes
from d8registry.pki.trust import Trust


class Sources(StrEnum):
    """What nodes, or the platform's own step, are to have.

    OLD: the old generation's source alone. BOTH: both; where they stand under one base, the old one in front if it
    answers. PREFERRED: both, the new one in front. NEW: the new one alone, and of an old real host at most its CA.
    """

    OLD = "old"
    BOTH = "both"
    PREFERRED = "preferred"
    NEW = "new"


class Address(StrEnum):
    """What becomes of Secret deckhouse-registry: KEEP it, hold the entries of BOTH, or the NEW entry alone."""

    KEEP = "keep"
    BOTH = "both"
    NEW = "new"


class Proxy(StrEnum):
    """What the in-cluster proxy serves.

    OFF: it is not there. OLD: the old upstream and users. ADDED: both users; the new upstream on a first switch, when
    only credentials change, or when the old registry does not answer, else the old one. MOVED: both users, the new
    upstream. BACK: both users, the old upstream. NEW: the new upstream and users.
    """

    OFF = "off"
    OLD = "old"
    ADDED = "added"
    MOVED = "moved"
    BACK = "back"
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage: `nodes` for all, `canaries` for the first few; `bashible` None leaves the Secret as it is.

    `needs`: the stage is for switches that change one of these; empty: for all.
    """

    step: Step
    condition: ConditionType
    phase: Phase = Phase.ALL
    nodes: Sources = Sources.OLD
    canaries: Sources | None = None
    bashible: Sources | None = None
    proxy: Proxy = Proxy.OFF
    address: Address = Address.KEEP
    trust: Trust = Trust.OLD
    needs: frozenset[Change] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A named, versioned list of stages; before the first stage of a step in `no_return` a failure rolls back."""

    name: str
    stages: tuple[Stage, ...]
    no_return: tuple[Step, ...]

    def narrow(self, changes: frozenset[Change]) -> "Plan":
        """Leave out the stages that have nothing to do for `changes`."""
        return replace(self, stages=tuple(stage for stage in self.stages if not stage.needs or stage.needs & changes))

    def find(self, step: Step, phase: Phase) -> int:
        """Index of a stage."""
        return next(i for i, stage in enumerate(self.stages) if (stage.step, stage.phase) == (step, phase))

    def is_before_no_return(self, step: Step, phase: Phase) -> bool:
        """Tell whether the way back is still open during a stage."""
        ends = [i for i, stage in enumerate(self.stages) if stage.step in self.no_return]
        return not ends or self.find(step, phase) < ends[0]

    def has_new_source(self, step: Step, phase: Phase) -> bool:
        """Tell whether nodes may carry the new source during a stage."""
        return any(
            stage.nodes is not Sources.OLD or stage.canaries is not None
            for stage in self.stages[: self.find(step, phase) + 1]
        )

    def keeps_both(self, step: Step, phase: Phase) -> bool:
        """Tell whether every reachable node has, or was asked to have, both sources during a stage."""
        return self.stages[self.find(step, phase)].nodes in (Sources.BOTH, Sources.PREFERRED)


_OLD, _BOTH, _PREFERRED, _NEW = Sources.OLD, Sources.BOTH, Sources.PREFERRED, Sources.NEW
_IMAGES, _PREFLIGHT, _TRANSITION = ConditionType.IMAGES, ConditionType.PREFLIGHT, ConditionType.TRANSITION
_FINAL, _CLEANUP = ConditionType.FINAL, ConditionType.CLEANUP
_SOURCE = frozenset({Change.BASE, Change.SOURCE})
_CREDENTIALS = frozenset({Change.CREDENTIALS})
_EDITION = frozenset({Change.EDITION})

_added = partial(Stage, nodes=_BOTH, bashible=_BOTH)

UNMANAGED_TO_DIRECT = Plan(
    name="unmanaged-to-direct/2",
    no_return=(Step.SWITCH_ADDRESS,),
    stages=(
        Stage(step=Step.CHECK_IMAGES, condition=_IMAGES),
        Stage(step=Step.GUARDS, condition=_PREFLIGHT),
        Stage(step=Step.PREPARE_NODES, condition=_TRANSITION, bashible=_OLD),
        Stage(step=Step.ADD_SOURCE, phase=Phase.CANARY, condition=_TRANSITION, canaries=_BOTH, bashible=_OLD),
        Stage(step=Step.ADD_SOURCE, condition=_TRANSITION, nodes=_BOTH, bashible=_OLD),
        _added(step=Step.ADD_SOURCE, phase=Phase.TEXT, condition=_TRANSITION),
        _added(step=Step.START_PROXY, condition=ConditionType.PROXY, proxy=Proxy.MOVED),
        _added(step=Step.SWITCH_ADDRESS, condition=ConditionType.ADDRESS, proxy=Proxy.MOVED, address=Address.BOTH),
        _added(step=Step.PREFER_NEW, condition=_FINAL, proxy=Proxy.MOVED),
        _added(step=Step.FINALISE_NODES, phase=Phase.EVIDENCE, condition=_FINAL, proxy=Proxy.MOVED),
        Stage(step=Step.FINALISE_NODES, condition=_FINAL, nodes=_NEW, bashible=_NEW, proxy=Proxy.MOVED),
        Stage(
            step=Step.CLEAN_UP,
            phase=Phase.ADDRESS,
            condition=_CLEANUP,
            nodes=_NEW,
            bashible=_NEW,
            proxy=Proxy.MOVED,
            address=Address.NEW,
        ),
        Stage(step=Step.CLEAN_UP, condition=_CLEANUP, nodes=_NEW, bashible=_NEW, proxy=Proxy.NEW),
    ),
)

_before = partial(Stage, bashible=_OLD, proxy=Proxy.OLD)
_preferred = partial(Stage, nodes=_PREFERRED, bashible=_PREFERRED, proxy=Proxy.MOVED, needs=_SOURCE)
_alone = partial(Stage, nodes=_NEW, bashible=_NEW)

DIRECT_TO_DIRECT = Plan(
    name="direct-to-direct/1",
    no_return=(Step.SWITCH_ADDRESS, Step.PREFER_NEW),
    stages=(
        _before(step=Step.CHECK_IMAGES, condition=_IMAGES),
        _before(step=Step.GUARDS, condition=_PREFLIGHT, needs=_SOURCE),
        _before(step=Step.PREPARE_NODES, condition=_TRANSITION, needs=_SOURCE),
        _before(step=Step.ADD_SOURCE, phase=Phase.CANARY, condition=_TRANSITION, canaries=_BOTH, needs=_SOURCE),
        _before(step=Step.ADD_SOURCE, condition=_TRANSITION, nodes=_BOTH, needs=_SOURCE),
        _added(step=Step.ADD_SOURCE, phase=Phase.TEXT, condition=_TRANSITION, proxy=Proxy.OLD, needs=_SOURCE),
        _added(step=Step.START_PROXY, condition=ConditionType.PROXY, proxy=Proxy.ADDED, needs=_SOURCE),
        _added(
            step=Step.SWITCH_ADDRESS,
            condition=ConditionType.ADDRESS,
            proxy=Proxy.ADDED,
            address=Address.BOTH,
            needs=_CREDENTIALS,
        ),
        _added(
            step=Step.PREFER_NEW,
            phase=Phase.CANARY,
            condition=_FINAL,
            canaries=_PREFERRED,
            proxy=Proxy.ADDED,
            needs=_SOURCE,
        ),
        _preferred(step=Step.PREFER_NEW, condition=_FINAL),
        _preferred(step=Step.PREFER_NEW, phase=Phase.RESTART, condition=_FINAL, needs=_EDITION),
        _preferred(step=Step.FINALISE_NODES, phase=Phase.EVIDENCE, condition=_FINAL),
        _alone(step=Step.FINALISE_NODES, condition=_FINAL, proxy=Proxy.MOVED, needs=_SOURCE),
        _alone(
            step=Step.CLEAN_UP,
            phase=Phase.ADDRESS,
            condition=_CLEANUP,
            proxy=Proxy.MOVED,
            address=Address.NEW,
            needs=_CREDENTIALS,
        ),
        _alone(step=Step.CLEAN_UP, condition=_CLEANUP, proxy=Proxy.NEW, needs=_CREDENTIALS),
    ),
)

DIRECT_TO_UNMANAGED = Plan(
    name="direct-to-unmanaged/1",
    no_return=(Step.SWITCH_ADDRESS,),
    stages=(
        _before(step=Step.CHECK_IMAGES, condition=_IMAGES),
        _before(step=Step.GUARDS, condition=_PREFLIGHT),
        _before(step=Step.PREPARE_NODES, condition=_TRANSITION),
        _before(step=Step.ADD_SOURCE, phase=Phase.CANARY, condition=_TRANSITION, canaries=_BOTH),
        _before(step=Step.ADD_SOURCE, condition=_TRANSITION, nodes=_BOTH),
        _added(step=Step.ADD_SOURCE, phase=Phase.TEXT, condition=_TRANSITION, proxy=Proxy.ADDED),
        _added(step=Step.SWITCH_ADDRESS, condition=ConditionType.ADDRESS, proxy=Proxy.ADDED, address=Address.BOTH),
        _added(step=Step.PREFER_NEW, condition=_FINAL, proxy=Proxy.ADDED),
        _added(step=Step.FINALISE_NODES, phase=Phase.EVIDENCE, condition=_FINAL, proxy=Proxy.ADDED),
        _alone(step=Step.FINALISE_NODES, condition=_FINAL, proxy=Proxy.ADDED),
        _alone(step=Step.CLEAN_UP, phase=Phase.ADDRESS, condition=_CLEANUP, proxy=Proxy.ADDED, address=Address.NEW),
        _alone(step=Step.CLEAN_UP, condition=_CLEANUP),
    ),
)

# A rollback is a switch of its own, so that "rolled back" means that every reachable node said so. It goes to the old
# source alone; nothing has carried the new address or the new credentials yet.
ROLL_BACK_TO_UNMANAGED = Plan(
    name="roll-back-to-unmanaged/1",
    no_return=(Step.ADD_SOURCE,),
    stages=(Stage(step=Step.ADD_SOURCE, condition=_TRANSITION, bashible=_OLD),),
)
ROLL_BACK_TO_DIRECT = Plan(
    name="roll-back-to-direct/1",
    no_return=(Step.ADD_SOURCE,),
    stages=(_before(step=Step.ADD_SOURCE, condition=_TRANSITION),),
)

# The module's own authority: nodes are not concerned. The platform trusts both before the proxy serves by the new one,
# and for the soak time, because its components take a new bundle over one after the other.
_turning = partial(Stage, nodes=_NEW, bashible=_NEW, proxy=Proxy.NEW)
ROTATE_AUTHORITY = Plan(
    name="rotate-authority/1",
    no_return=(Step.SWITCH_ADDRESS,),
    stages=(
        _turning(step=Step.SWITCH_ADDRESS, condition=ConditionType.ADDRESS, trust=Trust.BOTH),
        _turning(step=Step.PREFER_NEW, condition=_FINAL, trust=Trust.BOTH),
        _turning(step=Step.START_PROXY, condition=ConditionType.PROXY, trust=Trust.MOVED),
        _turning(step=Step.CLEAN_UP, phase=Phase.ADDRESS, condition=_CLEANUP, trust=Trust.NEW),
    ),
)

TRANSITIONS = {
    (Mode.UNMANAGED, Mode.DIRECT): UNMANAGED_TO_DIRECT,
    (Mode.DIRECT, Mode.DIRECT): DIRECT_TO_DIRECT,
    (Mode.DIRECT, Mode.UNMANAGED): DIRECT_TO_UNMANAGED,
}
ROLL_BACKS = {Mode.UNMANAGED: ROLL_BACK_TO_UNMANAGED, Mode.DIRECT: ROLL_BACK_TO_DIRECT}
PLANS = {plan.name: plan for plan in (*TRANSITIONS.values(), *ROLL_BACKS.values(), ROTATE_AUTHORITY)}

STEADY_UNMANAGED = Stage(step=Step.CLEAN_UP, condition=ConditionType.READY, nodes=_OLD)
STEADY_DIRECT = UNMANAGED_TO_DIRECT.stages[-1]


def find_stage(state: State) -> Stage:
    """Find the stage that is in effect: that of the switch, or the steady one of the current mode."""
    plan, switch = find_plan(state), state.switch
    if plan is None or switch is None:
        return STEADY_DIRECT if state.current.mode is Mode.DIRECT else STEADY_UNMANAGED
    stage = plan.stages[plan.find(switch.step, switch.phase)]
    if switch.hold is not None and switch.hold.is_turned:
        # A source that hangs has no fallback behind it: while a switch holds, the old one that answers is in front.
        return replace(stage, nodes=Sources.BOTH, canaries=None, bashible=Sources.BOTH, proxy=Proxy.BACK)
    return stage


def find_plan(state: State) -> Plan | None:
    """Find the plan that is being carried out, without the stages that have nothing to do; None at rest."""
    if state.switch is None:
        return None
    changes = find_changes(state.current, state.switch.candidate)
    if state.switch.is_mending:
        changes |= {Change.SOURCE, Change.CREDENTIALS}
    return PLANS[state.switch.plan].narrow(changes)


def is_roll_back(switch: Switch) -> bool:
    """Tell whether a switch leads back to the current generation."""
    return switch.plan in {plan.name for plan in ROLL_BACKS.values()}


def is_rotation(switch: Switch) -> bool:
    """Tell whether it is the module's own authority that is being switched."""
    return switch.plan == ROTATE_AUTHORITY.name
