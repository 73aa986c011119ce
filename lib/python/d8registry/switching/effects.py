# SPDX-License-Identifier: Apache-2.0
"""The difference between what is to exist and what was seen, as kube operations."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from d8registry.checker.question import render_questions
from d8registry.evidence.question import render_question
from d8registry.kube import bashible, platform, proxy
from d8registry.kube.operations import Operation, apply_secret, delete_object, merge_secret
from d8registry.model.state import State
from d8registry.nodes.wire import render_plan
from d8registry.pki.material import NAME as PKI
from d8registry.pki.material import Material, render_material
from d8registry.switching.plans import Proxy, find_stage
from d8registry.switching.realise import Desired

NODE_PLAN = "registry-node-plan"
QUESTIONS = "registry-questions"
CHECKED = "registry.deckhouse.io/checked"


def build_operations(
    state: State, desired: Desired, material: Material | None, seen: Mapping[str, Any]
) -> tuple[Operation, ...]:
    """Build what is still to be written of the effects of `state`; nothing when all of it is there.

    `seen` maps the names of our Secrets in d8-system to the objects of this run. CA files and sources come before what
    refers to them: the node plan and the platform's text first, the address last.
    """
    return tuple(_build(state, desired, material, seen))


def _build(state: State, desired: Desired, material: Material | None, seen: Mapping[str, Any]) -> Iterable[Operation]:
    revision = state.revision
    questions = {
        "questions": render_questions(desired.questions.list_checks()),
        "evidence": render_question(desired.questions.evidence),
    }
    secrets: dict[str, dict[str, str] | None] = {
        NODE_PLAN: {"plan": render_plan(desired.node_plan)},
        bashible.NAME: {"config": desired.bashible} if desired.bashible is not None else None,
        QUESTIONS: questions,
        **_build_proxy(desired, material),
    }
    for name, data in secrets.items():
        if data is not None:
            yield from apply_secret(name, data, seen.get(name), revision, salt=state.salt)
    if find_stage(state).proxy is Proxy.OFF:
        yield from _remove_proxy(desired, seen)
    original = seen.get(platform.NAME)
    if desired.platform is not None and original is not None:
        yield from merge_secret(platform.NAME, desired.platform, original, revision, salt=state.salt)
    for name in desired.restarts:
        yield delete_object("Pod", name)


def _build_proxy(desired: Desired, material: Material | None) -> dict[str, dict[str, str] | None]:
    if material is None or desired.upstream is None or desired.users is None:
        return {}
    certificate = {"tls.crt": material.cert_pem, "tls.key": material.key.value, "ca.crt": material.ca_pem}
    return {
        proxy.CERTIFICATE: certificate,
        proxy.USERS: {"users.json": desired.users},
        proxy.UPSTREAM: {"upstream.json": desired.upstream},
    }


def _remove_proxy(desired: Desired, seen: Mapping[str, Any]) -> Iterable[Operation]:
    """Remove what a stage without a proxy must not leave; Helm keeps rendered objects on purpose."""
    for version, kind, name in desired.removals:
        yield delete_object(kind, name, version)
    for name in (proxy.UPSTREAM, proxy.USERS, proxy.CERTIFICATE):
        if name in seen:
            yield delete_object("Secret", name)


def build_material(
    material: Material, names: Sequence[str], now: datetime, seen: Mapping[str, Any], revision: int
) -> tuple[Operation, ...]:
    """Build what writes issued or looked-at material to Secret registry-pki, with the day on which that was."""
    data = render_material(material)
    return apply_secret(PKI, data, seen.get(PKI), revision, annotations={CHECKED: _sign(data, names, now)})


def is_checked(seen: Mapping[str, Any], names: Sequence[str], now: datetime) -> bool:
    """Tell whether the very content of Secret registry-pki was looked at today, for the same names."""
    notes = seen["metadata"].get("annotations") or {}
    return bool(notes.get(CHECKED) == _sign(platform.decode_secret(seen), names, now))


def _sign(data: Mapping[str, str], names: Sequence[str], now: datetime) -> str:
    """Name the day, and the public part that was looked at; a key does not change without its certificate."""
    public = [data.get("ca.crt", ""), data.get("tls.crt", ""), *names]
    return f"{now:%Y-%m-%d} {hashlib.sha256(json.dumps(public).encode()).hexdigest()[:16]}"
