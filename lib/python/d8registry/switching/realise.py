# SPDX-License-Identifier: Apache-2.0
"""From the remembered state to everything that is to exist because of it. Pure: equal input, equal bytes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from d8registry.kube import bashible, platform, proxy
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials
from d8registry.model.settings import CheckMode, Mode
from d8registry.model.state import Generation, Standing, State
from d8registry.nodes.plan import NodePlan
from d8registry.pki.material import Material
from d8registry.pki.trust import choose_served, choose_trusted
from d8registry.switching.address import list_users
from d8registry.switching.asking import Questions, build_questions
from d8registry.switching.layouts import build_node_plan, build_text_hosts
from d8registry.switching.observed import Observed
from d8registry.switching.plans import Proxy, Sources, Stage, find_stage

__all__ = ["Desired", "find_stage", "realise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What is to exist. None: leave it as it is.

    `bashible`, `platform`, `upstream`, `users`: the text or data of the Secrets of that name; `served` what the proxy
    serves with; `internal` the values that Helm renders from; `removals` (apiVersion, kind, name) of what Helm rendered
    and keeps, and must go; `restarts` pods of deckhouse that are to be made anew; `mounted` a mark of what the proxy's
    Secrets hold, `stale` its pods that do not carry it; `questions` what the other hooks are to find out.
    """

    node_plan: NodePlan
    bashible: str | None
    platform: Mapping[str, str] | None
    upstream: str | None
    users: str | None
    users_generation: str
    served: Material | None
    internal: Mapping[str, Any]
    removals: tuple[tuple[str, str, str], ...]
    restarts: tuple[str, ...]
    mounted: str
    stale: tuple[str, ...]
    questions: Questions


def realise(state: State, observed: Observed, material: Material | None) -> Desired:
    """Build everything that the present stage puts into effect."""
    stage = find_stage(state)
    users, users_generation = _collect_users(state, stage)
    upstream = find_upstream(state, stage)
    served = choose_served(material, stage.trust) if material is not None else None
    is_proxied = stage.proxy is not Proxy.OFF and served is not None
    mounted = _mark_mounted(state, upstream, users_generation, served)
    return Desired(
        node_plan=build_node_plan(
            state,
            stage,
            node_count=len(observed.nodes),
            deckhouse_images=observed.deckhouse_images[:1] if _is_other_edition(state) else observed.deckhouse_images,
            proxy_images=_list_proxy_images(state, observed),
        ),
        bashible=_build_bashible(state, stage, observed),
        platform=_build_platform(state, choose_trusted(material, stage.trust)) if material is not None else None,
        upstream=proxy.build_upstream(upstream.endpoint, upstream.number) if is_proxied else None,
        users=proxy.build_users(users, users_generation) if is_proxied else None,
        users_generation=users_generation,
        served=served if is_proxied else None,
        internal={
            "proxy": proxy.build_values(observed.nodes, is_enabled=is_proxied),
            "awake": True,
        },
        removals=_list_removals(stage, observed),
        restarts=_list_restarts(state, observed),
        mounted=mounted,
        stale=tuple(pod.name for pod in observed.proxy_pods if is_proxied and pod.mounted != mounted),
        questions=build_questions(
            state,
            observed,
            served,
            upstream_generation=str(upstream.number),
            users=users,
            users_generation=users_generation,
        ),
    )


def find_upstream(state: State, stage: Stage) -> Generation:
    """Find the generation whose registry the proxy talks to."""
    old, switch = state.current, state.switch
    if switch is None or stage.proxy in (Proxy.OLD, Proxy.BACK):
        return old
    new = switch.candidate
    if stage.proxy is not Proxy.ADDED:
        return new
    is_login_alone = replace(old.endpoint, credentials=new.endpoint.credentials) == new.endpoint
    is_dead = switch.old in (Standing.SILENT, Standing.REFUSED)
    return new if is_login_alone or is_dead else old


def _collect_users(state: State, stage: Stage) -> tuple[tuple[Credentials, ...], str]:
    """Collect whom the proxy accepts, and a name for that: it changes whenever the users do."""
    generations = [state.current]
    if state.switch is not None and stage.proxy is not Proxy.OLD:
        generations = [state.switch.candidate]
        if stage.proxy is not Proxy.NEW:
            generations.insert(0, state.current)
    known = dict.fromkeys([*(generation.endpoint.credentials for generation in generations), *list_users(state)])
    users = tuple(known)
    texts = sorted(f"{user.username}:{user.password.value}" for user in users)
    digest = hashlib.sha256("\n".join([state.salt, *texts]).encode()).hexdigest()[:12]
    return users, f"{generations[-1].number}-{digest}"


def _mark_mounted(state: State, upstream: Generation, users_generation: str, served: Material | None) -> str:
    """Mark what the proxy's Secrets hold; salted, because annotations of pods are read by many."""
    parts = [
        state.salt,
        upstream.fingerprint,
        str(upstream.number),
        users_generation,
        served.cert_pem if served else "",
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _build_bashible(state: State, stage: Stage, observed: Observed) -> str | None:
    sources = stage.bashible
    if sources is None and (state.owns_real_host or observed.manages_hosts):
        sources = Sources.OLD
    if sources is None:
        return None
    # The Secret says Direct as soon as it names the fixed address, whatever mode the cluster still counts as.
    hosts = build_text_hosts(state, sources)
    if FIXED_HOST in hosts:
        return bashible.build_config(Mode.DIRECT, FIXED_BASE, hosts, state.salt)
    unmanaged = state.current
    if unmanaged.mode is not Mode.UNMANAGED and state.switch is not None:
        unmanaged = state.switch.candidate
    return bashible.build_config(Mode.UNMANAGED, unmanaged.endpoint.base, hosts, state.salt)


def _build_platform(state: State, trusted: str) -> dict[str, str] | None:
    address = state.address
    if address is None:
        return None
    ca = trusted if address.base == FIXED_BASE else address.ca
    return platform.build_data(address.base, address.scheme, ca, address.entries)


def _list_proxy_images(state: State, observed: Observed) -> tuple[str, ...]:
    """List what masters need for the proxy; one that runs already is not made anew because of another edition."""
    return () if _is_other_edition(state) and state.current.mode is Mode.DIRECT else observed.proxy_images


def _is_other_edition(state: State) -> bool:
    """Tell whether the new registry may have other digests under the same tag of deckhouse."""
    return state.switch is not None and state.switch.candidate.check_mode is CheckMode.RELAX


def _list_restarts(state: State, observed: Observed) -> tuple[str, ...]:
    if state.switch is None:
        return ()
    names = state.switch.restarts
    return tuple(pod.name for pod in observed.deckhouse_pods if pod.name in names and not pod.is_leaving)


def _list_removals(stage: Stage, observed: Observed) -> tuple[tuple[str, str, str], ...]:
    """List what Helm keeps on purpose; while the Deployment is there, a late Helm run may have rendered all of it."""
    if stage.proxy is not Proxy.OFF or not observed.is_proxy_rendered:
        return ()
    return (*proxy.RENDERED, *([proxy.AUTOSCALER] if observed.has_autoscaler else []))
