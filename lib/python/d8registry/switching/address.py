# SPDX-License-Identifier: Apache-2.0
"""What Secret deckhouse-registry is to hold, and whom the proxy knows because of it.

containerd sends a pod's pull secret to every source of a base; the kubelet tries every entry that matches, the longest
key first. So while credentials change under one base, two entries let each source get what it knows in one of two
tries.
"""

from dataclasses import replace

from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, FIXED_PATH, Base, Credentials, Scheme
from d8registry.model.settings import Mode
from d8registry.model.state import Generation, PullAddress, State
from d8registry.switching.plans import Address


def build_address(state: State, word: Address) -> PullAddress | None:
    """Build what a stage puts into the Secret: for BOTH the new entry and the old one, each under its own key."""
    if word is Address.KEEP:
        return state.address
    old = state.current
    new = state.switch.candidate if state.switch is not None else old
    entries = [(_find_key(new), new.endpoint.credentials)]
    if word is Address.BOTH:
        entries.append((_find_key(old), old.endpoint.credentials))
        if old.mode is new.mode:
            entries[0] = (_find_key(new) + FIXED_PATH, new.endpoint.credentials)
    known = [credentials for _, credentials in entries]
    former = [user for user in list_users(state) if user not in known] if word is Address.BOTH else ()
    return replace(_build(new, tuple(entries)), former=tuple(former))


def build_steady_address(generation: Generation) -> PullAddress | None:
    """Build what the Secret holds while `generation` is at rest; None where it is the platform's own."""
    if generation.mode is Mode.UNMANAGED:
        return None
    return _build(generation, ((_find_key(generation), generation.endpoint.credentials),))


def list_users(state: State) -> tuple[Credentials, ...]:
    """List whom pull secrets name to the proxy: the Secret itself, and its copies while they follow."""
    if state.address is None:
        return ()
    entries = [user for key, user in state.address.entries if key.partition("/")[0] == FIXED_HOST]
    return tuple(dict.fromkeys([*entries, *state.address.former]))


def _build(generation: Generation, entries: tuple[tuple[str, Credentials], ...]) -> PullAddress:
    endpoint = generation.endpoint
    if generation.mode is Mode.DIRECT:
        return PullAddress(base=FIXED_BASE, scheme=Scheme.HTTPS, entries=entries)
    return PullAddress(
        base=Base(host=endpoint.host, path=endpoint.path), scheme=endpoint.scheme, ca=endpoint.ca, entries=entries
    )


def _find_key(generation: Generation) -> str:
    return FIXED_HOST if generation.mode is Mode.DIRECT else generation.endpoint.host
