# SPDX-License-Identifier: Apache-2.0
"""Which hosts folders, and so which node plan, a stage puts into effect."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from d8registry.containerd.hosts import build_hosts_folder
from d8registry.model.endpoint import FIXED_BASE, Credentials, Endpoint, Source
from d8registry.model.settings import Mode
from d8registry.model.state import Generation, Standing, State
from d8registry.nodes.plan import Canaries, Layout, NodePlan, Proof, build_layout, build_plan, build_proof
from d8registry.switching.plans import Sources, Stage

Hosts = Mapping[str, tuple[Source, ...]]

_IDLE_SECONDS, _SWITCH_SECONDS, _LARGE_SECONDS = 20, 5, 57
_SMALL_CLUSTER, _LARGE_CLUSTER = 200, 2000


def build_hosts(state: State, sources: Sources) -> Hosts:
    """Build host -> sources in order for one word of a stage.

    Under the fixed address stand the endpoints of Direct generations; an Unmanaged generation's endpoint stands in its
    own folder only, because users pull from a real host too.
    """
    hosts: dict[str, tuple[Source, ...]] = {}
    for generation in _order(state, sources):
        source = _build_source(generation)
        hosts[source.base.host] = (*hosts.get(source.base.host, ()), source)
    for endpoint in _list_retained(state, sources):
        hosts.setdefault(endpoint.host, (Source(base=endpoint.base, endpoint=endpoint),))
    return hosts


def build_text_hosts(state: State, sources: Sources) -> Hosts:
    """Build what the platform's own step is to write: the same, where its format can say it.

    It knows a host and scheme once in a list; where one stands twice, the new source is the one that stays.
    """
    new = state.switch.candidate if state.switch else state.current
    hosts = {}
    for host, entries in build_hosts(state, sources).items():
        keys = [(source.endpoint.host, source.endpoint.scheme) for source in entries]
        is_twin = len(set(keys)) != len(keys)
        hosts[host] = tuple(source for source in entries if not is_twin or source.endpoint == new.endpoint)
    return hosts


def find_retained_hosts(state: State) -> tuple[Endpoint, ...]:
    """Find the real hosts whose CA stays once the old source is gone, without credentials: something names them."""
    if state.switch is None:
        return state.retained_hosts
    old, kept = state.current, {endpoint.host: endpoint for endpoint in state.retained_hosts}
    if old.mode is Mode.UNMANAGED and state.switch.keep_host_ca and old.endpoint.ca:
        kept[old.endpoint.host] = replace(old.endpoint, credentials=Credentials())
    return tuple(kept[host] for host in sorted(kept))


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


def _order(state: State, sources: Sources) -> tuple[Generation, ...]:
    old = state.current
    if state.switch is None:
        return (old,)
    new = state.switch.candidate
    if sources is Sources.BOTH:
        # Nothing may depend on a registry that does not answer: a source that hangs has no fallback behind it.
        does_old_answer = state.switch.old in (Standing.ANSWERS, Standing.UNKNOWN)
        return (old, new) if does_old_answer else (new, old)
    return {Sources.OLD: (old,), Sources.PREFERRED: (new, old), Sources.NEW: (new,)}[sources]


def _build_source(generation: Generation) -> Source:
    base = FIXED_BASE if generation.mode is Mode.DIRECT else generation.endpoint.base
    return Source(base=base, endpoint=generation.endpoint)


def _list_retained(state: State, sources: Sources) -> Iterable[Endpoint]:
    return find_retained_hosts(state) if sources is Sources.NEW else state.retained_hosts


def _build_layout(
    state: State, sources: Sources, deckhouse_images: Sequence[str], proxy_images: Sequence[str]
) -> Layout:
    if sources is Sources.OLD and state.current.mode is Mode.UNMANAGED and not state.owns_real_host:
        return build_layout([])
    hosts = build_hosts(state, sources)
    folders = [build_hosts_folder(entries, folder=host) for host, entries in sorted(hosts.items())]
    return build_layout(folders, _build_proofs(state, sources, deckhouse_images, proxy_images))


def _build_proofs(
    state: State, sources: Sources, deckhouse_images: Sequence[str], proxy_images: Sequence[str]
) -> list[Proof]:
    """Prove the newest source that stands there; an old one beside it is never asked: it may be dead."""
    is_old_alone = state.switch is None or sources is Sources.OLD
    generation = state.current if is_old_alone or state.switch is None else state.switch.candidate
    if not deckhouse_images or (is_old_alone and generation.mode is Mode.UNMANAGED):
        return []
    source = _build_source(generation)
    images = (*deckhouse_images, *proxy_images) if generation.mode is Mode.DIRECT else deckhouse_images
    return [
        build_proof(
            build_hosts_folder([source], folder=source.base.host),
            reference=source.base.build_reference(deckhouse_images[0]),
            address=_build_address(source.endpoint),
            master_pulls=[source.base.build_reference(image) for image in images],
        )
    ]


def _build_address(endpoint: Endpoint) -> str:
    default = "443" if endpoint.scheme == "https" else "80"
    return endpoint.host if ":" in endpoint.host else f"{endpoint.host}:{default}"
