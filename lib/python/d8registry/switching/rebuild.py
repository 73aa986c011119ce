# SPDX-License-Identifier: Apache-2.0
"""Rebuild a lost state from what it put into effect, so that nothing in use is taken away before it is asked for anew.

Where one source is left, that is the present generation. Where two are, a switch was under way: it is taken up at a
stage that has both in effect, and everything from there on is confirmed again.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from d8registry.errors import InvalidObject
from d8registry.kube.platform import is_fixed
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Endpoint, Scheme
from d8registry.model.settings import CheckMode, Mode, Settings
from d8registry.model.state import Generation, Phase, PullAddress, Standing, State, Step
from d8registry.switching.address import build_address, build_steady_address
from d8registry.switching.advance import begin
from d8registry.switching.observed import Observed
from d8registry.switching.plans import TRANSITIONS, Address, find_stage
from d8registry.switching.remains import Remains, read_remains
from d8registry.switching.rotating import REQUEST


def rebuild_state(
    observed: Observed, secrets: Mapping[str, Any], *, highest_counter: int, epoch: str, salt: str, now: datetime
) -> State:
    """Rebuild the state of a cluster whose platform pulls, or is about to stop pulling, from the fixed address.

    `epoch` and `salt` are fresh random hex digits. Raises InvalidObject where nothing is left that names the registry.
    """
    remains = read_remains(secrets)
    if not remains.sources or observed.platform is None:
        raise InvalidObject(
            "the state cannot be rebuilt: neither Secret d8-system/registry-node-plan nor "
            "d8-system/registry-incluster-proxy-upstream names the registry in use; restore one of them, or Secret "
            "d8-system/registry-state, from a backup"
        )
    old, new, step, phase = _find_switch(remains, observed)
    current = Generation(
        number=remains.generation, mode=Mode.DIRECT, endpoint=new, check_mode=_find_mode(new, observed)
    )
    state = State(
        revision=0,
        current=current,
        counter=highest_counter + 1,
        epoch=epoch,
        salt=remains.salt or salt,
        generations=remains.generation,
        requests=_note_requests(observed),
        retained_hosts=remains.retained_hosts,
    )
    if old is None:
        return replace(state, address=build_steady_address(current))
    number = remains.generation + 1
    candidate = replace(current, number=number)
    if not is_fixed(observed.platform):
        candidate = Generation(number=number, mode=Mode.UNMANAGED, endpoint=observed.platform)
    else:
        current = replace(old, number=remains.generation)
    return _take_up(replace(state, current=current, generations=number), candidate, step, phase, remains, now)


def _note_requests(observed: Observed) -> tuple[tuple[str, str], ...]:
    """Note every request that is there: whether it was carried out before the loss nobody knows, so it is not again."""
    rotation = {REQUEST: observed.rotation} if observed.rotation is not None else {}
    return tuple(sorted({**observed.requests, **rotation}.items()))


def has_fixed_remains(secrets: Mapping[str, Any]) -> bool:
    """Tell whether pull secrets still name the fixed address while the platform pulls from elsewhere already."""
    remains = read_remains(secrets)
    return remains.upstream is not None and remains.has_fixed_entry


def _find_switch(remains: Remains, observed: Observed) -> tuple[Generation | None, Endpoint, Step, Phase]:
    """Find the generation that a switch led away from, None at rest; the Direct one's source; and where to go on."""
    if observed.platform is not None and not is_fixed(observed.platform):
        unmanaged = Generation(number=1, mode=Mode.UNMANAGED, endpoint=observed.platform)
        # Nodes that have let the fixed address go did so on evidence: it is not brought back to them unproven.
        step = Step.FINALISE_NODES if remains.are_nodes_final else Step.SWITCH_ADDRESS
        return unmanaged, remains.sources[-1], step, Phase.ALL
    if len(remains.sources) > 1:
        old, new = _tell_apart(remains, observed)
        return Generation(number=1, mode=Mode.DIRECT, endpoint=old), new, Step.ADD_SOURCE, Phase.ALL
    (source,) = remains.sources
    owned = next((one for one in remains.real_hosts if one.credentials or not one.ca), None)
    if owned is not None:
        real = replace(owned, path=_guess_path(owned, source, observed))
        return Generation(number=1, mode=Mode.UNMANAGED, endpoint=real), source, Step.SWITCH_ADDRESS, Phase.ALL
    for key, credentials in remains.entries:
        host = key.partition("/")[0]
        if host != FIXED_HOST:
            real = Endpoint(host=host, path="", credentials=credentials)
            real = replace(real, path=_guess_path(real, source, observed))
            return Generation(number=1, mode=Mode.UNMANAGED, endpoint=real), source, Step.CLEAN_UP, Phase.ADDRESS
        if credentials != source.credentials:
            past = replace(source, credentials=credentials)
            return Generation(number=1, mode=Mode.DIRECT, endpoint=past), source, Step.CLEAN_UP, Phase.ADDRESS
    return None, source, Step.CLEAN_UP, Phase.ALL


def _tell_apart(remains: Remains, observed: Observed) -> tuple[Endpoint, Endpoint]:
    """Tell the old source from the new: the new one is what the settings ask for, else what the proxy has not yet."""
    first, second = remains.sources[:2]
    wanted = observed.settings.endpoint if isinstance(observed.settings, Settings) else None
    if wanted in (first, second):
        return (second, first) if wanted == first else (first, second)
    return (second, first) if remains.upstream == second else (first, second)


def _guess_path(real: Endpoint, source: Endpoint, observed: Observed) -> str:
    """Guess the path of a real host, which nothing on a node tells; without one, all that names the host counts."""
    wanted = observed.settings.endpoint if isinstance(observed.settings, Settings) else None
    known = (one for one in (source, wanted) if one is not None and one.host == real.host)
    return next((one.path for one in known), "")


def _find_mode(endpoint: Endpoint, observed: Observed) -> CheckMode:
    settings = observed.settings
    is_wanted = isinstance(settings, Settings) and settings.endpoint == endpoint
    return settings.check_mode if is_wanted and isinstance(settings, Settings) else CheckMode.DEFAULT


def _take_up(state: State, candidate: Generation, step: Step, phase: Phase, remains: Remains, now: datetime) -> State:
    plan = TRANSITIONS[(state.current.mode, candidate.mode)]
    switch = begin(plan, plan.stages[plan.find(step, phase)], candidate, now)
    if state.current.mode is candidate.mode and remains.sources[0] == candidate.endpoint:
        switch = replace(switch, old=Standing.SILENT)  # the order on the nodes stays: the new source is in front
    taken = replace(state, switch=switch, owns_real_host=state.current.mode is Mode.UNMANAGED)
    held = PullAddress(base=FIXED_BASE, scheme=Scheme.HTTPS, entries=remains.entries)
    word = Address.BOTH if candidate.mode is Mode.UNMANAGED else find_stage(taken).address
    return replace(taken, address=held if word is Address.KEEP else build_address(taken, word))
