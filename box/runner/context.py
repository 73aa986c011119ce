# SPDX-License-Identifier: Apache-2.0
"""Binding contexts: why a hook runs, and the file that tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from box.runner import gojson
from box.runner.config import HookConfig, KubernetesBinding, ScheduleBinding
from box.runner.snapshot import WatchEvent

SnapshotReader = Callable[[str], Sequence[Mapping[str, Any]]]
"""Answers the current objects of the kubernetes binding of that name."""


class Reason(StrEnum):
    """Why a context exists; for the five lifecycle reasons the word is also the name of the binding."""

    ON_STARTUP = "onStartup"
    BEFORE_HELM = "beforeHelm"
    AFTER_HELM = "afterHelm"
    BEFORE_DELETE_HELM = "beforeDeleteHelm"
    AFTER_DELETE_HELM = "afterDeleteHelm"
    SYNCHRONIZATION = "Synchronization"
    EVENT = "Event"
    SCHEDULE = "Schedule"


_LIFECYCLE = frozenset({Reason.BEFORE_HELM, Reason.AFTER_HELM, Reason.BEFORE_DELETE_HELM, Reason.AFTER_DELETE_HELM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One reason to run a hook; `event` only for `EVENT`. Snapshots are added when the run starts."""

    reason: Reason
    binding: str
    group: str = ""
    snapshots: tuple[str, ...] = ()
    event: WatchEvent | None = None


def lifecycle_context(reason: Reason, config: HookConfig) -> Context:
    """Build the context of a lifecycle binding: onStartup has no snapshots, the others have all of them."""
    names = () if reason is Reason.ON_STARTUP else tuple(binding.name for binding in config.kubernetes)
    return Context(reason=reason, binding=reason.value, snapshots=names)


def synchronization_context(binding: KubernetesBinding) -> Context:
    """Build the context that shows every object a binding starts with."""
    return Context(
        reason=Reason.SYNCHRONIZATION, binding=binding.name, group=binding.group, snapshots=binding.snapshots
    )


def event_context(binding: KubernetesBinding, event: WatchEvent) -> Context:
    """Build the context of one change."""
    return Context(
        reason=Reason.EVENT, binding=binding.name, group=binding.group, snapshots=binding.snapshots, event=event
    )


def schedule_context(binding: ScheduleBinding) -> Context:
    """Build the context of one firing."""
    return Context(reason=Reason.SCHEDULE, binding=binding.name, group=binding.group, snapshots=binding.snapshots)


def render_contexts(contexts: Sequence[Context], read: SnapshotReader) -> str:
    """Write BINDING_CONTEXT_PATH: all contexts with the same, current snapshots.

    Compact JSON on one line without a newline, keys sorted.
    """
    current: dict[str, list[Mapping[str, Any]]] = {}

    def items(name: str) -> list[Mapping[str, Any]]:
        if name not in current:
            current[name] = list(read(name))
        return current[name]

    return gojson.dumps([_render(context, items) for context in contexts])


def _render(context: Context, items: Callable[[str], list[Mapping[str, Any]]]) -> dict[str, Any]:
    shown: dict[str, Any] = {"binding": context.binding}
    if context.reason is Reason.ON_STARTUP:
        return shown
    lifecycle = context.reason in _LIFECYCLE
    if context.snapshots or lifecycle:
        shown["snapshots"] = {name: items(name) for name in context.snapshots}
    if lifecycle:
        return shown
    if context.group:
        return shown | {"groupName": context.group, "type": "Group"}
    shown["type"] = context.reason.value
    if context.reason is Reason.SYNCHRONIZATION:
        shown["objects"] = items(context.binding)
    if context.event is not None:
        shown |= {"watchEvent": context.event.kind, **context.event.shown}
    return shown
