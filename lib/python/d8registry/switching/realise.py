# SPDX-License-Identifier: Apache-2.0
"""From the remembered state to everything that is to exist because of it. Pure: equal input, equal bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from d8registry.checker.question import ImagesQuestion, ProxyQuestion, build_images_question, build_proxy_question
from d8registry.evidence.question import EvidenceQuestion, build_evidence_question
from d8registry.kube import bashible, platform, proxy
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials, Scheme
from d8registry.model.settings import Mode
from d8registry.model.state import Phase, State, Step
from d8registry.nodes.plan import NodePlan
from d8registry.pki.material import Material
from d8registry.switching.layouts import build_hosts, build_node_plan
from d8registry.switching.observed import Observed
from d8registry.switching.plans import PLANS, STEADY_DIRECT, STEADY_UNMANAGED, Address, Sources, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What is to exist. None: leave it as it is.

    `bashible`, `platform`, `upstream`, `users`: the text or data of the Secrets of that name; `internal` the values
    that Helm renders from; `removals` (apiVersion, kind, name)
    of what Helm rendered and keeps, and must go; `questions` what the other hooks are to find out.
    """

    node_plan: NodePlan
    bashible: str | None
    platform: Mapping[str, str] | None
    upstream: str | None
    users: str | None
    users_generation: str
    internal: Mapping[str, Any]
    removals: tuple[tuple[str, str, str], ...]
    images_question: ImagesQuestion | None
    proxy_question: ProxyQuestion | None
    evidence_question: EvidenceQuestion | None


def find_stage(state: State) -> Stage:
    """Find the stage that is in effect: that of the switch, or the steady one of the current mode."""
    if state.switch is not None:
        plan = PLANS[state.switch.plan]
        return plan.stages[plan.find(state.switch.step, state.switch.phase)]
    return STEADY_DIRECT if state.current.mode is Mode.DIRECT else STEADY_UNMANAGED


def realise(state: State, observed: Observed, material: Material | None) -> Desired:
    """Build everything that the present stage puts into effect."""
    stage = find_stage(state)
    users, users_generation = _collect_users(state, stage)
    upstream = state.switch.candidate if state.switch else state.current
    is_proxied = stage.proxy and material is not None
    return Desired(
        node_plan=build_node_plan(
            state,
            stage,
            node_count=len(observed.nodes),
            deckhouse_images=observed.deckhouse_images,
            proxy_images=observed.proxy_images,
        ),
        bashible=_build_bashible(state, stage, observed),
        platform=_build_platform(state, stage, material),
        upstream=proxy.build_upstream(upstream.endpoint, upstream.number) if is_proxied else None,
        users=proxy.build_users(users, users_generation) if is_proxied else None,
        users_generation=users_generation,
        internal={"proxy": proxy.build_values(observed.nodes, is_enabled=is_proxied)},
        removals=_list_removals(stage, observed),
        images_question=_ask_images(state, observed),
        proxy_question=_ask_proxy(state, observed, material, users, users_generation),
        evidence_question=_ask_evidence(state, observed),
    )


def _build_bashible(state: State, stage: Stage, observed: Observed) -> str | None:
    sources = stage.bashible
    if sources is None and (state.owns_real_host or observed.manages_hosts):
        sources = Sources.OLD
    if sources is None:
        return None
    # The Secret says Direct as soon as it names the fixed address, whatever mode the cluster still counts as.
    direct = state.switch.candidate if state.switch else state.current
    hosts = build_hosts(state, sources)
    if FIXED_HOST in hosts and direct.mode is Mode.DIRECT:
        return bashible.build_config(Mode.DIRECT, FIXED_BASE, hosts, state.salt)
    return bashible.build_config(state.current.mode, state.current.endpoint.base, hosts, state.salt)


def _build_platform(state: State, stage: Stage, material: Material | None) -> dict[str, str] | None:
    if stage.address is Address.UNTOUCHED or material is None:
        return None
    new = state.switch.candidate if state.switch else state.current
    entries: list[tuple[str, Credentials]] = [(FIXED_HOST, new.endpoint.credentials)]
    if stage.address is Address.BOTH and state.switch is not None:
        old = state.current.endpoint
        entries.append((old.host, old.credentials))
    return platform.build_data(FIXED_BASE, Scheme.HTTPS, material.ca_pem, entries)


def _collect_users(state: State, stage: Stage) -> tuple[tuple[Credentials, ...], str]:
    if state.switch is None:
        return (state.current.endpoint.credentials,), str(state.current.number)
    old, new = state.current, state.switch.candidate
    return (old.endpoint.credentials, new.endpoint.credentials), f"{old.number}-{new.number}"


def _list_removals(stage: Stage, observed: Observed) -> tuple[tuple[str, str, str], ...]:
    """List what Helm keeps on purpose; while the Deployment is there, a late Helm run may have rendered all of it."""
    if stage.proxy or not observed.is_proxy_rendered:
        return ()
    return (*proxy.RENDERED, *([proxy.AUTOSCALER] if observed.has_autoscaler else []))


def _ask_images(state: State, observed: Observed) -> ImagesQuestion | None:
    switch = state.switch
    if switch is None or not PLANS[switch.plan].is_before_no_return(switch.step):
        return None
    nonce = dict(state.requests).get("retry", "")
    return build_images_question(switch.candidate.endpoint, observed.required_images, nonce=nonce)


def _ask_proxy(
    state: State,
    observed: Observed,
    material: Material | None,
    users: tuple[Credentials, ...],
    users_generation: str,
) -> ProxyQuestion | None:
    if material is None or state.switch is None or state.switch.step not in (Step.START_PROXY, Step.SWITCH_ADDRESS):
        return None
    pods = [pod for pod in observed.proxy_pods if pod.ready and pod.ip]
    if not pods or not observed.proxy_images:
        return None
    return build_proxy_question(
        pods,
        ca=material.ca_pem,
        upstream_generation=str(state.switch.candidate.number),
        users_generation=users_generation,
        users=users,
        reference=observed.proxy_images[0],
    )


def _ask_evidence(state: State, observed: Observed) -> EvidenceQuestion | None:
    switch = state.switch
    if switch is None or (switch.step, switch.phase) != (Step.FINALISE_NODES, Phase.EVIDENCE):
        return None
    old = state.current.endpoint
    # Drawn anew for each stage: an answer that was collected before the address was switched says nothing.
    return build_evidence_question(str(old.base), old.host, (), nonce=switch.since.isoformat())
