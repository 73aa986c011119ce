# SPDX-License-Identifier: Apache-2.0
"""Ask of each step whether it is through. Only called once everything that the step applies has been written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from d8registry.checker.message import summarise
from d8registry.kube.platform import DOCKER_CONFIG, hash_content
from d8registry.model.cluster import Node
from d8registry.model.state import Phase, State, Step, Switch
from d8registry.switching.fleet import confirm_layout, confirm_prepared, list_counted
from d8registry.switching.guards import find_cluster_guards, name_some
from d8registry.switching.observed import Observed
from d8registry.switching.outcome import Done, Outcome, Waiting
from d8registry.switching.realise import Desired


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
    question = moment.desired.images_question
    endpoint = moment.switch.candidate.endpoint
    result = moment.observed.checks.get(question.key) if question else None
    if question is None or result is None:
        message = f"asking {endpoint.base} for {len(moment.observed.required_images)} required images"
        return Waiting(reason="Checking", message=message)
    if result.done and result.ok:
        return Done(message=f"{endpoint.base} has all {result.total} required images")
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
    return confirm_prepared(_list_counted(moment))


def _confirm_canaries(moment: Moment) -> Outcome:
    nodes = [node for node in moment.observed.nodes if node.name in moment.switch.canaries]
    return confirm_layout(nodes, moment.desired.node_plan, "of the first ones have proven the new source")


def _confirm_added(moment: Moment) -> Outcome:
    return confirm_layout(
        _list_counted(moment), moment.desired.node_plan, "have proven the new source and have it live"
    )


def _confirm_proxy(moment: Moment) -> Outcome:
    # The last look before the address is switched: at the images, and at nodes that joined or came back meanwhile.
    for earlier in (_confirm_images(moment), _confirm_added(moment)):
        if isinstance(earlier, Waiting):
            return earlier
    pods, wanted = moment.observed.proxy_pods, moment.desired.internal["proxy"]["replicas"]
    ready = sum(pod.ready for pod in pods)
    if ready < wanted or len(pods) != wanted:
        message = f"{ready} of {wanted} pods of Deployment d8-system/registry-incluster-proxy are Ready"
        return Waiting(reason="WaitingForProxy", message=message, progress=f"{ready}/{wanted}")
    question = moment.desired.proxy_question
    result = moment.observed.checks.get(question.key) if question else None
    if result is None:
        return Waiting(reason="CheckingProxy", message="asking each proxy pod for a manifest with each user")
    if not result.ok:
        return Waiting(
            reason="ProxyNotServing", message=summarise(result), progress=f"proxy {result.found}/{result.total}"
        )
    return Done(message=f"{ready} of {wanted} proxy pods serve the new registry to each user")


def _confirm_address(moment: Moment) -> Outcome:
    wanted = moment.desired.platform
    if wanted is None:
        return Waiting(reason="WaitingForCertificate", message="the module's certificate is being issued")
    return _confirm_takeover(
        moment.observed,
        wanted,
        are_copies_accepted="finalise" in moment.observed.find_new_requests(moment.state.requests),
    )


def _confirm_takeover(observed: Observed, wanted: Mapping[str, str], *, are_copies_accepted: bool) -> Outcome:
    checksum = hash_content(wanted)
    current = [pod for pod in observed.deckhouse_pods if pod.checksum == checksum]
    if not any(pod.ready for pod in current):
        names = ", ".join(pod.name for pod in current or observed.deckhouse_pods) or "none yet"
        message = f"deckhouse takes Secret d8-system/deckhouse-registry over (pods of Deployment deckhouse: {names})"
        return Waiting(reason="WaitingForDeckhouse", message=message, progress=f"{len(current)} pods with it")
    copies = observed.copies
    behind = [copy.namespace for copy in copies if copy.docker_config.value != wanted[DOCKER_CONFIG]]
    if behind and not are_copies_accepted:
        done = len(copies) - len(behind)
        message = f"{done} of {len(copies)} copies of the pull secret have followed; waiting for deckhouse to render "
        message += f"Secret deckhouse-registry in {name_some(behind)}. If a disabled module left one behind, delete it"
        return Waiting(reason="WaitingForCopies", message=message, progress=f"{done}/{len(copies)}")
    return Done(message="deckhouse-controller runs with the new address, and every d8-* namespace has its pull secret")


def _confirm_soak(moment: Moment) -> Outcome:
    nodes = confirm_layout(_list_counted(moment), moment.desired.node_plan, "have the new source live")
    if isinstance(nodes, Waiting):
        return nodes
    not_ready = [pod.name for pod in moment.observed.proxy_pods if not pod.ready]
    if not_ready:
        return Waiting(reason="WaitingForProxy", message=f"proxy pod {name_some(not_ready)} is not Ready")
    begun = moment.switch.in_place or moment.switch.since
    until = begun + timedelta(seconds=moment.observed.module_settings.soak)
    if moment.now < until:
        message = f"the new address is in use; soaking until {until:%H:%M:%S} UTC before the old source may go"
        return Waiting(reason="Soaking", message=message, progress="soaking")
    return Done(message=f"nothing regressed for {moment.observed.module_settings.soak} s")


def _confirm_evidence(moment: Moment) -> Outcome:
    question, evidence = moment.desired.evidence_question, moment.observed.evidence
    if question is None or evidence is None or evidence.key != question.key:
        return Waiting(reason="CollectingEvidence", message="looking for what still uses the old address")
    if not evidence.complete:
        return Waiting(reason="CollectingEvidence", message=f"the API did not answer in full: {evidence.message}")
    old = moment.state.current.endpoint.base
    held = [*evidence.platform, *evidence.copies]
    if held:
        message = f"do not revoke the old credentials yet: {name_some(held)} still name {old}; deckhouse renders them"
        return Waiting(reason="OldAddressInUse", message=message, progress=f"{len(held)} platform objects")
    if evidence.users and "finalise" not in moment.observed.find_new_requests(moment.state.requests):
        message = (
            f"do not revoke the old credentials yet: {name_some(list(evidence.users))} still name {old} and are not "
        )
        message += "the platform's. Change them, or accept that their next pull may fail: kubectl annotate --overwrite "
        message += 'moduleconfig registry registry.deckhouse.io/finalise="$(date +%s)"'
        return Waiting(reason="OldAddressInUseByUsers", message=message, progress=f"{len(evidence.users)} user objects")
    return Done(message=f"nothing needs {old} any more")


def _confirm_final(moment: Moment) -> Outcome:
    return confirm_layout(_list_counted(moment), moment.desired.node_plan, "have the new source alone")


def _list_counted(moment: Moment) -> tuple[Node, ...]:
    return list_counted(moment.observed.nodes, moment.now, moment.observed.module_settings.unreachable_grace)


_CONFIRM: dict[tuple[Step, Phase], Callable[[Moment], Outcome]] = {
    (Step.CHECK_IMAGES, Phase.ALL): _confirm_images,
    (Step.GUARDS, Phase.ALL): _confirm_guards,
    (Step.PREPARE_NODES, Phase.ALL): _confirm_prepared,
    (Step.ADD_SOURCE, Phase.CANARY): _confirm_canaries,
    (Step.ADD_SOURCE, Phase.ALL): _confirm_added,
    (Step.START_PROXY, Phase.ALL): _confirm_proxy,
    (Step.SWITCH_ADDRESS, Phase.ALL): _confirm_address,
    (Step.PREFER_NEW, Phase.ALL): _confirm_soak,
    (Step.FINALISE_NODES, Phase.EVIDENCE): _confirm_evidence,
    (Step.FINALISE_NODES, Phase.ALL): _confirm_final,
    (Step.CLEAN_UP, Phase.ALL): _confirm_address,
}
