# SPDX-License-Identifier: Apache-2.0
"""The difference between what is to exist and what was seen, as kube operations."""

from collections.abc import Iterable, Mapping
from typing import Any

from d8registry.kube import bashible, platform, proxy
from d8registry.kube.cluster import MOUNTED
from d8registry.kube.operations import Operation, annotate_pod, apply_secret, delete_object, merge_secret
from d8registry.model.state import State
from d8registry.nodes.wire import render_plan
from d8registry.switching.asking import Questions
from d8registry.switching.plans import Proxy, find_stage
from d8registry.switching.realise import Desired

NODE_PLAN = "registry-node-plan"
QUESTIONS = "registry-questions"


def build_operations(state: State, desired: Desired, seen: Mapping[str, Any]) -> tuple[Operation, ...]:
    """Build what is still to be written of the effects of `state`; nothing when all of it is there.

    `seen` maps the names of our Secrets in d8-system to the objects of this run. CA files and sources come before what
    refers to them: the node plan and the platform's text first, the address last.
    """
    return tuple(_build(state, desired, seen))


def _build(state: State, desired: Desired, seen: Mapping[str, Any]) -> Iterable[Operation]:
    revision = state.revision
    secrets: dict[str, dict[str, str] | None] = {
        NODE_PLAN: {"plan": render_plan(desired.node_plan)},
        bashible.NAME: {"config": desired.bashible} if desired.bashible is not None else None,
        QUESTIONS: _build_questions(desired.questions),
        **_build_proxy(desired),
    }
    written: list[Operation] = []
    for name, data in secrets.items():
        if data is not None:
            written += apply_secret(name, data, seen.get(name), revision, salt=state.salt)
    yield from written
    if not written:
        # A kubelet looks at a pod's Secrets about once a minute, and at once when the pod itself has changed. It must
        # find them as they are to be: so only in a run that saw all of them written.
        yield from (annotate_pod(name, MOUNTED, desired.mounted) for name in desired.stale)
    if find_stage(state).proxy is Proxy.OFF:
        yield from _remove_proxy(desired, seen)
    original = seen.get(platform.NAME)
    if desired.platform is not None and original is not None:
        yield from merge_secret(platform.NAME, desired.platform, original, revision, salt=state.salt)
    for name in desired.restarts:
        yield delete_object("Pod", name)


def _build_questions(questions: Questions) -> dict[str, str]:
    checks = questions.list_checks()
    if not checks and questions.evidence is None:
        return {"questions": "[]", "evidence": "null"}  # at rest no run pays for what renders them
    from d8registry.checker.question import render_questions
    from d8registry.evidence.question import render_question

    return {"questions": render_questions(checks), "evidence": render_question(questions.evidence)}


def _build_proxy(desired: Desired) -> dict[str, dict[str, str] | None]:
    served = desired.served
    if served is None or desired.upstream is None or desired.users is None:
        return {}
    certificate = {"tls.crt": served.cert_pem, "tls.key": served.key.value, "ca.crt": served.ca_pem}
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
