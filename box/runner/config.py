# SPDX-License-Identifier: Apache-2.0
"""What a hook answers to `--config`, read strictly: an unknown key stops the module.

Source: configVersion v1 of shell-operator and the additional bindings of addon-operator's module hooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import jq
import jsonschema
import yaml

from box.runner.crontab import Crontab, parse_crontab, parse_duration
from box.runner.errors import ConfigError
from box.runner.selecting import render_field_selector, render_label_selector

MAIN_QUEUE = "main"
EVERY_EVENT = ("Added", "Modified", "Deleted")
_LIFECYCLE = ("onStartup", "beforeHelm", "afterHelm", "beforeDeleteHelm", "afterDeleteHelm")
_ADMISSION = ("kubernetesValidating", "kubernetesMutating")


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesBinding:
    """One entry of `kubernetes`. Empty `names` or `namespaces` mean all; selectors are query texts."""

    name: str
    api_version: str
    kind: str
    names: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    namespace_labels: str = ""
    label_selector: str = ""
    field_selector: str = ""
    jq_filter: str = ""
    events: tuple[str, ...] = EVERY_EVENT
    on_synchronization: bool = True
    wait_for_synchronization: bool = True
    keep_full_objects: bool = True
    snapshots: tuple[str, ...] = ()
    group: str = ""
    queue: str = MAIN_QUEUE
    allow_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleBinding:
    """One entry of `schedule`."""

    name: str
    crontab: Crontab
    snapshots: tuple[str, ...] = ()
    group: str = ""
    queue: str = MAIN_QUEUE
    allow_failure: bool = False


_BindingT = TypeVar("_BindingT", KubernetesBinding, ScheduleBinding)


@dataclass(frozen=True, slots=True, kw_only=True)
class HookConfig:
    """A hook's configuration. Lifecycle orders are None where the hook has no such binding; seconds for intervals."""

    kubernetes: tuple[KubernetesBinding, ...] = ()
    schedule: tuple[ScheduleBinding, ...] = ()
    on_startup: int | None = None
    before_helm: int | None = None
    after_helm: int | None = None
    before_delete_helm: int | None = None
    after_delete_helm: int | None = None
    min_interval: float = 0.0
    burst: int = 1
    ignored: tuple[str, ...] = ()

    def binding(self, name: str) -> KubernetesBinding:
        """Return the kubernetes binding of this name; KeyError when there is none."""
        for binding in self.kubernetes:
            if binding.name == name:
                return binding
        raise KeyError(name)


def parse_hook_config(text: str) -> HookConfig:
    """Read the whole output of `--config` (YAML or JSON). Raises ConfigError naming key and rule."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"configuration is not YAML or JSON: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigError("configuration is not a YAML or JSON object (is there another line on stdout?)")
    problems = sorted(_describe(error) for error in _validator().iter_errors(document))
    if problems:
        raise ConfigError("; ".join(problems))
    if not any(key in document for key in (*_LIFECYCLE, "kubernetes", "schedule", *_ADMISSION)):
        raise ConfigError("configuration has no binding at all")
    kubernetes = [_read_kubernetes(item, index) for index, item in enumerate(document.get("kubernetes") or [])]
    schedule = [_read_schedule(item) for item in document.get("schedule") or []]
    _check_names(kubernetes, schedule)
    groups = _group_snapshots(kubernetes)
    settings = document.get("settings") or {}
    return HookConfig(
        kubernetes=tuple(_with_group(item, groups) for item in kubernetes),
        schedule=tuple(_with_group(item, groups) for item in schedule),
        on_startup=document.get("onStartup"),
        before_helm=document.get("beforeHelm"),
        after_helm=document.get("afterHelm"),
        before_delete_helm=document.get("beforeDeleteHelm"),
        after_delete_helm=document.get("afterDeleteHelm"),
        min_interval=parse_duration(settings["executionMinInterval"]) if settings else 0.0,
        burst=int(settings.get("executionBurst", 1)),
        ignored=tuple(key for key in _ADMISSION if key in document),
    )


@cache
def _validator() -> jsonschema.Draft4Validator:
    text = resources.files(__package__).joinpath("hook_config.schema.yaml").read_text(encoding="utf-8")
    return jsonschema.Draft4Validator(yaml.safe_load(text))


def _describe(error: jsonschema.ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    return f"{where}: {error.message}" if where else error.message


def _read_kubernetes(item: Mapping[str, Any], index: int) -> KubernetesBinding:
    queue = item.get("queue") or MAIN_QUEUE
    namespace = item.get("namespace") or {}
    jq_filter = item.get("jqFilter", "")
    where = f"invalid kubernetes config [{index}]"
    if jq_filter:
        try:
            jq.compile(jq_filter)
        except ValueError as error:
            raise ConfigError(f"{where}: jqFilter is invalid: {error}") from error
    names = _names(item.get("nameSelector"))
    fields = render_field_selector(item.get("fieldSelector") or {})
    if names and "metadata.name" in fields:
        raise ConfigError(f"{where}: fieldSelector 'metadata.name' and nameSelector.matchNames are mutually exclusive")
    return KubernetesBinding(
        name=item.get("name") or "kubernetes",
        api_version=item.get("apiVersion", ""),
        kind=item["kind"],
        names=names,
        namespaces=_names(namespace.get("nameSelector")),
        namespace_labels=render_label_selector(namespace.get("labelSelector") or {}),
        label_selector=render_label_selector(item.get("labelSelector") or {}),
        field_selector=fields,
        jq_filter=jq_filter,
        events=tuple(item.get("executeHookOnEvent", item.get("watchEvent", EVERY_EVENT))),
        on_synchronization=item.get("executeHookOnSynchronization", True),
        wait_for_synchronization=item.get("waitForSynchronization", True) or queue == MAIN_QUEUE,
        keep_full_objects=item.get("keepFullObjectsInMemory", True),
        snapshots=tuple(item.get("includeSnapshotsFrom") or ()),
        group=item.get("group", ""),
        queue=queue,
        allow_failure=item.get("allowFailure", False),
    )


def _read_schedule(item: Mapping[str, Any]) -> ScheduleBinding:
    return ScheduleBinding(
        name=item.get("name") or "schedule",
        crontab=parse_crontab(item["crontab"]),
        snapshots=tuple(item.get("includeSnapshotsFrom") or ()),
        group=item.get("group", ""),
        queue=item.get("queue") or MAIN_QUEUE,
        allow_failure=item.get("allowFailure", False),
    )


def _names(selector: Mapping[str, Any] | None) -> tuple[str, ...]:
    return tuple(sorted(set((selector or {}).get("matchNames") or ())))


def _check_names(kubernetes: Sequence[KubernetesBinding], schedule: Sequence[ScheduleBinding]) -> None:
    known = [binding.name for binding in kubernetes]
    wanted = [(item.name, item.snapshots) for item in kubernetes] + [(item.name, item.snapshots) for item in schedule]
    for binding, snapshots in wanted:
        for name in snapshots:
            if known.count(name) != 1:
                what = "is not a kubernetes binding" if name not in known else "is not unique"
                raise ConfigError(f"binding '{binding}': includeSnapshotsFrom is invalid: '{name}' {what}")


def _group_snapshots(kubernetes: Sequence[KubernetesBinding]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    for binding in kubernetes:
        if binding.group:
            groups[binding.group] = (*groups.get(binding.group, ()), binding.name)
    return groups


def _with_group(binding: _BindingT, groups: Mapping[str, tuple[str, ...]]) -> _BindingT:
    """Return the binding with the snapshots of its whole group added."""
    return replace(binding, snapshots=tuple(dict.fromkeys((*binding.snapshots, *groups.get(binding.group, ())))))
