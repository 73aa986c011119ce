# SPDX-License-Identifier: Apache-2.0
"""The transitions that are searched. A new one is one entry: where the cluster starts, and what is edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tests.prove.registries import (
    LOGIN_A,
    LOGIN_A2,
    LOGIN_B,
    LOGIN_C,
    LOGIN_LICENCE,
    PATH_A,
    PATH_B,
    A,
    Answer,
    B,
    C,
    Login,
    issue_ca,
)
from tests.prove.store import World, change

Section = Mapping[str, Any]


def direct(host: str, path: str, login: Login, **fields: Any) -> Section:
    """A registry section of mode Direct."""
    user, password = login
    endpoint = {"imagesRepo": f"{host}/{path}", "username": user, "password": password, "ca": issue_ca(host), **fields}
    return {"mode": "Direct", "direct": endpoint}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transition:
    """`edit` is what is asked for; `mode` and `host` are what a run without faults must end with.

    `masters` and `workers`: the smallest cluster that shows it. `config_path`: what containerd was started with.
    `after` names the transition that led to where this one starts; without it that is Unmanaged from registry A.
    `request` is an annotation that is put on ModuleConfig registry beside the edit; `dead` a registry that has
    stopped to answer by then.
    """

    name: str
    edit: Section
    mode: str
    host: str
    masters: int = 1
    workers: int = 1
    config_path: bool = True
    after: str = ""
    request: str = ""
    dead: str = ""


TO_A, TO_B = direct(A, PATH_A, LOGIN_A), direct(B, PATH_B, LOGIN_B)
TO_C: Section = {
    "mode": "Direct",
    "direct": {"imagesRepo": f"{C}/{PATH_B}", "scheme": "HTTP", "username": LOGIN_C[0], "password": LOGIN_C[1]},
}
LICENCE: Section = {
    "mode": "Direct",
    "direct": {"imagesRepo": f"{A}/{PATH_A}", "license": LOGIN_LICENCE[1], "ca": issue_ca(A)},
}
UNMANAGED: Section = {"mode": "Unmanaged"}
_B_WITH_PARAMETERS: Section = {"mode": "Unmanaged", "unmanaged": TO_B["direct"]}
_DIRECT_A, _DIRECT_B = "unmanaged-a-to-direct-a", "unmanaged-a-to-direct-b"

TRANSITIONS = (
    Transition(name=_DIRECT_A, edit=TO_A, mode="Direct", host=A),
    Transition(name=_DIRECT_B, edit=TO_B, mode="Direct", host=B),
    Transition(name="unmanaged-a-to-direct-b-config-path-off", edit=TO_B, mode="Direct", host=B, config_path=False),
    Transition(name="direct-a-to-direct-b", after=_DIRECT_A, edit=TO_B, mode="Direct", host=B),
    Transition(name="direct-b-to-direct-a", after=_DIRECT_B, edit=TO_A, mode="Direct", host=A),
    Transition(
        name="direct-a-to-a-new-password",
        after=_DIRECT_A,
        edit=direct(A, PATH_A, LOGIN_A2),
        mode="Direct",
        host=A,
    ),
    Transition(
        name="direct-a-to-a-other-path",
        after=_DIRECT_A,
        edit=direct(A, PATH_B, LOGIN_A),
        mode="Direct",
        host=A,
    ),
    Transition(name="direct-a-to-unmanaged", after=_DIRECT_A, edit=UNMANAGED, mode="Unmanaged", host=A),
    Transition(name="direct-b-to-unmanaged", after=_DIRECT_B, edit=UNMANAGED, mode="Unmanaged", host=B),
    Transition(
        name="direct-b-to-unmanaged-with-parameters", after=_DIRECT_B, edit=_B_WITH_PARAMETERS, mode="Unmanaged", host=B
    ),
    Transition(name="direct-a-to-a-licence", after=_DIRECT_A, edit=LICENCE, mode="Direct", host=A),
    Transition(
        name="direct-a-to-a-other-ca",
        after=_DIRECT_A,
        edit=direct(A, PATH_A, LOGIN_A, ca=issue_ca(A) + issue_ca(B)),
        mode="Direct",
        host=A,
    ),
    Transition(name="direct-a-to-plain-c", after=_DIRECT_A, edit=TO_C, mode="Direct", host=C),
    Transition(
        name="direct-a-to-direct-b-relax",
        after=_DIRECT_A,
        edit=direct(B, PATH_B, LOGIN_B, checkMode="Relax"),
        mode="Direct",
        host=B,
    ),
    Transition(name="unmanaged-dead-a-to-direct-b", edit=TO_B, mode="Direct", host=B, dead=A),
    Transition(name="direct-dead-a-to-direct-b", after=_DIRECT_A, edit=TO_B, mode="Direct", host=B, dead=A),
    Transition(name="authority-is-rotated", after=_DIRECT_A, edit=TO_A, mode="Direct", host=A, request="rotate-ca"),
)


@cache
def resize(transition: Transition, masters: int, workers: int) -> Transition:
    """The same in a cluster of another size."""
    if (transition.masters, transition.workers) == (masters, workers):
        return transition
    return replace(transition, masters=masters, workers=workers)


def begin(world: World, transition: Transition) -> World:
    """Somebody asks for a transition."""
    world = edit(world, transition.edit)
    if transition.dead:
        world = world.put(change(world.need("~Health", "health"), troubles=[[transition.dead, Answer.REFUSED.value]]))
    return annotate(world, transition.request) if transition.request else world


def edit(world: World, section: Section | None) -> World:
    """Somebody edits the registry section of ModuleConfig deckhouse."""
    found = world.need("ModuleConfig", "deckhouse")
    settings = {} if section is None else {"registry": dict(section)}
    return world.put(change(found, spec={**found.body["spec"], "settings": settings}))


def annotate(world: World, name: str) -> World:
    """Somebody puts a request annotation on ModuleConfig registry."""
    found = world.need("ModuleConfig", "registry")
    notes = {**(found.body["metadata"].get("annotations") or {}), f"registry.deckhouse.io/{name}": "1"}
    return world.put(change(found, metadata={**found.body["metadata"], "annotations": notes}))
