# SPDX-License-Identifier: Apache-2.0
"""Ask of each step whether it is through. Only called once everything that the step applies has been written."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from d8registry.checker.message import summarise
from d8registry.model.cluster import Node
from d8registry.model.state import Phase, Standing, State, Step, Switch
from d8registry.switching.confirm_evidence import confirm_evidence, find_acceptance
from d8registry.switching.confirm_platform import confirm_proxy, confirm_restart, confirm_takeover
from d8registry.switching.fleet import confirm_layout, confirm_prepared, list_counted
from d8registry.switching.guards import find_cluster_guards
from d8registry.switching.observed import Observed
from d8registry.switching.outcome import Done, Outcome, Waiting
from d8registry.switching.plans import find_stage, is_rotation
from d8registry.switching.realise import Desired
from d8registry.switching.standing import find_result, is_failing, read_standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a confirmation looks at."""

    state: State
    switch: Switch
    observed: Observed
    desired: Desired
    now: datetime


def confirm(moment: Moment) -> Outcome:
    """Confirm the present stage, or say what it waits for."""
    return _CONFIRM[(moment.switch.step, moment.switch.phase)](moment)


def _confirm_images(moment: Moment) -> Outcome:
    question = moment.desired.questions.images
    if question is None:
        return Done(message="nothing is asked of the registry in use")
    base = moment.switch.candidate.endpoint.base
    result = find_result(question, moment.observed)
    if result is None:
        message = f"asking {base} for {len(moment.observed.required_images)} required images"
        return Waiting(reason="Checking", message=message)
    if result.done and result.ok:
        return Done(message=f"{base} has all {result.total} required images")
    message = summarise(result)
    if result.final:
        message += "; not asked again before the settings, or annotation registry.deckhouse.io/retry of ModuleConfig "
        message += "registry, change (accounts get locked)"
    reason = "Checking" if not result.done else "RegistryRefused"
    return Waiting(reason=reason, message=message, progress=f"{result.found}/{result.total}")


def _confirm_guards(moment: Moment) -> Outcome:
    guards = find_cluster_guards(moment.observed)
    if not guards:
        return Done(message="nothing is in the way on the nodes")
    return Waiting(reason=guards[0].reason, message="; ".join(guard.message for guard in guards))


def _confirm_prepared(moment: Moment) -> Outcome:
    questions, observed = moment.desired.questions, moment.observed
    if questions.old is not None and read_standing(questions.old, observed) is Standing.UNKNOWN:
        message = f"asking {moment.state.current.endpoint.base} whether it still answers"
        return Waiting(reason="AskingOldRegistry", message=message)
    return confirm_prepared(_list_counted(moment), observed.nodes)


def _confirm_canaries(moment: Moment) -> Outcome:
    nodes = [node for node in _list_counted(moment) if node.name in moment.switch.canaries]
    if moment.switch.step is Step.PREFER_NEW:
        if is_failing(moment.desired.questions.new, moment.observed):
            return _fail_new(moment)
        return confirm_layout(nodes, moment.desired.node_plan, "of the first ones have the new source in front")
    return confirm_layout(nodes, moment.desired.node_plan, "of the first ones have proven the new source")


def _confirm_added(moment: Moment) -> Outcome:
    what = "have proven the new source and have it live"
    if moment.switch.failure is not None or find_stage(moment.state).nodes == "old":
        what = "are back at the old source alone"
    nodes = confirm_layout(_list_counted(moment), moment.desired.node_plan, what)
    if isinstance(nodes, Done) and moment.desired.upstream is not None and find_stage(moment.state).nodes == "old":
        return confirm_proxy(moment.observed, moment.desired)
    return nodes


def _confirm_text(moment: Moment) -> Outcome:
    """Take the last look before anything that counts on the new source: at images, and at nodes that joined."""
    for earlier in (_confirm_images(moment), _confirm_added(moment)):
        if isinstance(earlier, Waiting):
            return earlier
    return Done(message="every node has the new source, and the platform's own text for nodes names it")


def _confirm_proxy(moment: Moment) -> Outcome:
    earlier = _confirm_text(moment)
    return earlier if isinstance(earlier, Waiting) else confirm_proxy(moment.observed, moment.desired)


def _confirm_address(moment: Moment) -> Outcome:
    wanted = moment.desired.platform
    if wanted is None:
        return Waiting(reason="WaitingForCertificate", message="the module's certificate is being issued")
    until = find_acceptance(moment.state, moment.observed)
    return confirm_takeover(moment.observed, wanted, moment.now, accepted_from=until)


def _confirm_soak(moment: Moment) -> Outcome:
    if is_failing(moment.desired.questions.new, moment.observed):
        return _fail_new(moment)
    # A successor that was lost meanwhile is another one now, which deckhouse has to trust before it serves.
    if is_rotation(moment.switch) and isinstance(taken := _confirm_address(moment), Waiting):
        return taken
    nodes = confirm_layout(_list_counted(moment), moment.desired.node_plan, "have the new source live")
    if isinstance(nodes, Waiting):
        return nodes
    proxy = confirm_proxy(moment.observed, moment.desired)
    if isinstance(proxy, Waiting):
        return proxy
    switch, soak = moment.switch, moment.observed.module_settings.soak
    begun = switch.in_place or (switch.progressed if switch.progress == "soaking" else moment.now)
    until = begun + timedelta(seconds=soak)
    if moment.now < until:
        message = f"the new source is in use; soaking until {until:%H:%M:%S} UTC before the old one may go"
        return Waiting(reason="Soaking", message=message, progress="soaking", is_timed=True)
    return Done(message=f"nothing regressed for {soak} s")


def _confirm_restart(moment: Moment) -> Outcome:
    return confirm_restart(moment.observed, moment.switch.restarts)


def _confirm_evidence(moment: Moment) -> Outcome:
    if is_failing(moment.desired.questions.new, moment.observed):
        return _fail_new(moment)
    return confirm_evidence(moment.state, moment.observed, moment.desired.questions, moment.now)


def _confirm_final(moment: Moment) -> Outcome:
    return confirm_layout(_list_counted(moment), moment.desired.node_plan, "have the new source alone")


def _confirm_gone(moment: Moment) -> Outcome:
    if moment.desired.upstream is not None:
        return confirm_proxy(moment.observed, moment.desired)
    if moment.observed.proxy_pods:
        message = f"{len(moment.observed.proxy_pods)} pods of Deployment d8-system/registry-incluster-proxy are ending"
        return Waiting(reason="WaitingForProxy", message=message, progress=str(len(moment.observed.proxy_pods)))
    return Done(message="the in-cluster proxy and what it needed are gone")


def _fail_new(moment: Moment) -> Waiting:
    result = find_result(moment.desired.questions.new, moment.observed)
    message = f"the new registry fails: {summarise(result)}" if result is not None else "the new registry fails"
    return Waiting(reason="NewRegistryFails", message=message, is_failure=True)


def _list_counted(moment: Moment) -> tuple[Node, ...]:
    return list_counted(moment.observed.nodes, moment.now, moment.observed.module_settings.unreachable_grace)


_CONFIRM: dict[tuple[Step, Phase], Callable[[Moment], Outcome]] = {
    (Step.CHECK_IMAGES, Phase.ALL): _confirm_images,
    (Step.GUARDS, Phase.ALL): _confirm_guards,
    (Step.PREPARE_NODES, Phase.ALL): _confirm_prepared,
    (Step.ADD_SOURCE, Phase.CANARY): _confirm_canaries,
    (Step.ADD_SOURCE, Phase.ALL): _confirm_added,
    (Step.ADD_SOURCE, Phase.TEXT): _confirm_text,
    (Step.START_PROXY, Phase.ALL): _confirm_proxy,
    (Step.SWITCH_ADDRESS, Phase.ALL): _confirm_address,
    (Step.PREFER_NEW, Phase.CANARY): _confirm_canaries,
    (Step.PREFER_NEW, Phase.ALL): _confirm_soak,
    (Step.PREFER_NEW, Phase.RESTART): _confirm_restart,
    (Step.FINALISE_NODES, Phase.EVIDENCE): _confirm_evidence,
    (Step.FINALISE_NODES, Phase.ALL): _confirm_final,
    (Step.CLEAN_UP, Phase.ADDRESS): _confirm_address,
    (Step.CLEAN_UP, Phase.ALL): _confirm_gone,
}
