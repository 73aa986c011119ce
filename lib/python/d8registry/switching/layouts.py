# SPDX-License-Identifier: Apache-2.0
"""Which hosts folders, and so which node plan, a stage puts into effect."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from d8registry.containerd.hosts import build_hosts_folder
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials, Endpoint, Source
from d8registry.model.settings import Mode
from d8registry.model.state import State
from d8registry.nodes.plan import Canaries, Layout, NodePlan, Proof, build_layout, build_plan, build_proof
from d8registry.switching.plans import Sources, Stage

Hosts = Mapping[str, tuple[Source, ...]]

_IDLE_SECONDS, _SWITCH_SECONDS, _LARGE_SECONDS = 20, 5, 45
_SMALL_CLUSTER, _LARGE_CLUSTER = 200, 2000


def build_hosts(state: State, sources: Sources) -> Hosts:
    """Build host -> sources in order for one word of a stage.

    Under the fixed address stands the Direct generation's endpoint; an Unmanaged generation's endpoint stands in its
    own folder only, because users pull from a real host too.
    """
    new = state.switch.candidate if state.switch else state.current
    wanted = {Sources.OLD: (state.current,), Sources.BOTH: (state.current, new), Sources.NEW: (new,)}[sources]
    hosts: dict[str, tuple[Source, ...]] = {}
    for generation in wanted:
        endpoint = generation.endpoint
        if generation.mode is Mode.DIRECT:
            hosts[FIXED_HOST] = (Source(base=FIXED_BASE, endpoint=endpoint),)
        else:
            hosts[endpoint.host] = (Source(base=endpoint.base, endpoint=endpoint),)
    retained = find_retained_host(state) if sources is Sources.NEW else None
    if retained is not None and retained.host not in hosts:
        hosts[retained.host] = (Source(base=retained.base, endpoint=retained),)
    return hosts


def find_retained_host(state: State) -> Endpoint | None:
    """Find the real host whose CA stays on the nodes, without credentials, because something still names the host."""
    if state.switch is None:
        return state.retained_host
    old = state.current
    if old.mode is Mode.UNMANAGED and state.switch.keep_host_ca and old.endpoint.ca:
        return replace(old.endpoint, credentials=Credentials())
    return None


def build_node_plan(
    state: State, stage: Stage, *, node_count: int, deckhouse_images: Sequence[str], proxy_images: Sequence[str]
) -> NodePlan:
    """Build the plan of the present stage; `…_images` are what follows the base: digests or `:tag`."""
    layouts = {stage.nodes.value: _build_layout(state, stage.nodes, deckhouse_images, proxy_images)}
    canaries = None
    if stage.canaries is not None and state.switch is not None:
        layouts[stage.canaries.value] = _build_layout(state, stage.canaries, deckhouse_images, proxy_images)
        canaries = Canaries(layout=stage.canaries.value, nodes=state.switch.canaries)
    return build_plan(
        counter=state.counter,
        epoch=state.epoch,
        salt=state.salt,
        interval_seconds=choose_interval(node_count, is_switching=state.switch is not None),
        default=stage.nodes.value,
        layouts=layouts,
        canaries=canaries,
    )


def choose_interval(node_count: int, *, is_switching: bool) -> int:
    """Seconds between two looks of a node at its plan (design.md section 5)."""
    if node_count > _LARGE_CLUSTER:
        return _LARGE_SECONDS
    return _SWITCH_SECONDS if is_switching and node_count <= _SMALL_CLUSTER else _IDLE_SECONDS


def _build_layout(
    state: State, sources: Sources, deckhouse_images: Sequence[str], proxy_images: Sequence[str]
) -> Layout:
    if sources is Sources.OLD and state.current.mode is Mode.UNMANAGED and not state.owns_real_host:
        return build_layout([])
    hosts = build_hosts(state, sources)
    folders = [build_hosts_folder(entries, folder=host) for host, entries in sorted(hosts.items())]
    return build_layout(folders, _build_proofs(hosts, deckhouse_images, proxy_images))


def _build_proofs(hosts: Hosts, deckhouse_images: Sequence[str], proxy_images: Sequence[str]) -> list[Proof]:
    """Prove what stands under the fixed address; an old source is never asked to prove anything: it may be dead."""
    if not deckhouse_images:
        return []
    return [
        build_proof(
            build_hosts_folder([source], folder=FIXED_HOST),
            reference=FIXED_BASE.build_reference(deckhouse_images[0]),
            address=_build_address(source.endpoint),
            master_pulls=[FIXED_BASE.build_reference(image) for image in (*deckhouse_images, *proxy_images)],
        )
        for source in hosts.get(FIXED_HOST, ())
    ]


def _build_address(endpoint: Endpoint) -> str:
    default = "443" if endpoint.scheme == "https" else "80"
    return endpoint.host if ":" in endpoint.host else f"{endpoint.host}:{default}"
