# SPDX-License-Identifier: Apache-2.0
"""The module's hooks and the phases of its life: start, synchronization, release, removal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from box.runner import gojson, log
from box.runner.config import HookConfig, KubernetesBinding
from box.runner.context import Context, Reason, lifecycle_context, render_contexts, synchronization_context
from box.runner.errors import RunnerError
from box.runner.hookfiles import HookFile, discover_hooks, load_config
from box.runner.kubeapi import KubeApi
from box.runner.kubepatch import apply_kube_operations
from box.runner.merge import HookRun
from box.runner.metrics import MetricStorage
from box.runner.monitor import Monitor
from box.runner.pace import TokenBucket
from box.runner.process import HookInputs, run_hook
from box.runner.snapshot import WatchEvent
from box.runner.values import ValuesStore
from box.runner.values_patch import Operation

_ORDERS: dict[Reason, Callable[[HookConfig], int | None]] = {
    Reason.ON_STARTUP: lambda config: config.on_startup,
    Reason.BEFORE_HELM: lambda config: config.before_helm,
    Reason.AFTER_HELM: lambda config: config.after_helm,
    Reason.BEFORE_DELETE_HELM: lambda config: config.before_delete_helm,
    Reason.AFTER_DELETE_HELM: lambda config: config.after_delete_helm,
}


class Phase(Enum):
    """How far the start has come; a retry takes up the phase that failed."""

    NEW = "new"
    STARTED = "started"
    SYNCHRONIZING = "synchronizing"
    RUNNING = "running"


@dataclass(slots=True, kw_only=True, eq=False)
class Hook:
    """A hook with its configuration, its pace and what it follows."""

    file: HookFile
    config: HookConfig
    bucket: TokenBucket
    monitors: dict[str, Monitor] = field(default_factory=dict)


class Module:
    """One module directory at work. `settings_writer` stores what hooks change in the user's settings."""

    def __init__(
        self,
        *,
        folder: Path,
        store: ValuesStore,
        api: KubeApi,
        patcher: KubeApi,
        tmp_dir: Path,
        settings_writer: Callable[[dict[str, object]], None],
        metrics: MetricStorage,
    ) -> None:
        self.name = store.module
        self.store = store
        self.phase = Phase.NEW
        self.hooks: dict[str, Hook] = {}
        self._folder = folder
        self._api = api
        self._patcher = patcher
        self._tmp = tmp_dir
        self._write_settings = settings_writer
        self._metrics = metrics
        self._syncing: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def load(self) -> None:
        """Find the hooks and ask each for its configuration. Raises ConfigError: the module cannot start."""
        if self.hooks:
            return
        loaded: dict[str, Hook] = {}
        for file in discover_hooks(self._folder):
            config = load_config(file)
            for binding in config.ignored:
                log.emit("warn", f"{binding} is accepted and never called", hook=file.name)
            bucket = TokenBucket(interval=config.min_interval, burst=config.burst, now=time.monotonic)
            loaded[file.name] = Hook(file=file, config=config, bucket=bucket)
        self.hooks = loaded

    def start_monitors(self, fire: Callable[[Hook, KubernetesBinding, WatchEvent], None]) -> None:
        """Follow the cluster for every binding. Raises ApiError; what was begun goes on at the next try."""
        for hook in self.hooks.values():
            for binding in hook.config.kubernetes:
                if binding.name not in hook.monitors:
                    monitor = Monitor(self._api, binding, _firing(hook, fire), hook.file.name)
                    monitor.start()
                    hook.monitors[binding.name] = monitor

    def synchronizations(self) -> list[tuple[str, HookRun]]:
        """Answer (queue, run) for each binding that starts with a run, and unlock the others."""
        runs: list[tuple[str, HookRun]] = []
        for hook in self.hooks.values():
            for binding in hook.config.kubernetes:
                if not binding.on_synchronization:
                    hook.monitors[binding.name].unlock()
                    continue
                if binding.wait_for_synchronization:
                    self._syncing.add((hook.file.name, binding.name))
                run = HookRun(
                    module=self.name,
                    hook=hook.file.name,
                    contexts=(synchronization_context(binding),),
                    synchronizes=(binding.name,),
                    waits=binding.wait_for_synchronization,
                    allow_failure=binding.allow_failure,
                )
                runs.append((binding.queue, run))
        return runs

    def is_synchronized(self) -> bool:
        """Tell whether every Synchronization that the start waits for has succeeded."""
        with self._lock:
            return not self._syncing

    def finish_synchronization(self, hook: Hook, run: HookRun) -> None:
        """Let the events of these bindings through."""
        for name in run.synchronizes:
            hook.monitors[name].unlock()
            with self._lock:
                self._syncing.discard((run.hook, name))

    def run_lifecycle(self, reason: Reason) -> bool:
        """Run the hooks with this binding in their order; answers whether values changed."""
        before = self.store.checksum()
        order = _ORDERS[reason]
        chosen = [(order(hook.config), name) for name, hook in self.hooks.items() if order(hook.config) is not None]
        for _, name in sorted(chosen, key=lambda item: (item[0] or 0, item[1])):
            hook = self.hooks[name]
            self.execute(hook, (lifecycle_context(reason, hook.config),), "main")
        return self.store.checksum() != before

    def execute(self, hook: Hook, contexts: tuple[Context, ...], queue: str) -> bool:
        """Run a hook and apply what it asks for: metrics, kube patches, settings, values, in this order.

        Answers whether values differ from the ones at the start of the run, whoever changed them. Raises RunnerError;
        kube patches that were applied before a rejected values patch stay applied.
        """
        name = hook.file.name
        bindings = ",".join(dict.fromkeys(context.binding for context in contexts))
        fields = {"module": self.name, "hook": name, "binding": bindings, "queue": queue}
        before = self.store.checksum()
        inputs = HookInputs(
            contexts=render_contexts(contexts, lambda binding: hook.monitors[binding].items()),
            values=gojson.dumps(self.store.values()),
            config_values=gojson.dumps(self.store.config_values()),
        )
        began = time.monotonic()
        outputs = run_hook(hook.file, inputs, self._tmp, fields)
        self._metrics.apply(outputs.metrics, module=self.name, hook=name)
        apply_kube_operations(self._patcher, outputs.kube)
        if outputs.config_values:
            self._write_settings(self.store.patched_settings(name, outputs.config_values))
        self.store.apply_patch(name, outputs.values)
        changed = self.store.checksum() != before
        log.emit(
            "info",
            "hook run done",
            **fields,
            contexts=len(contexts),
            seconds=round(time.monotonic() - began, 3),
            kubeOperations=[f"{operation.operation} {operation.target}" for operation in outputs.kube] or None,
            valuesOperations=_paths(outputs.values) or None,
            valuesChanged=changed,
        )
        return changed

    def stop_events(self) -> None:
        """Fire no more events; snapshots stay readable for the hooks of the removal."""
        for monitor in self._monitors():
            monitor.stop()

    def forget(self) -> None:
        """Return to the state before the start: enabling again is a full start."""
        self.store.forget_patches()
        with self._lock:
            self._syncing.clear()
        self.hooks = {}
        self.phase = Phase.NEW

    def hook(self, name: str) -> Hook:
        """Answer a hook; RunnerError when the module does not have it (any more)."""
        try:
            return self.hooks[name]
        except KeyError:
            raise RunnerError(f"hook '{name}' is not loaded") from None

    def _monitors(self) -> Iterator[Monitor]:
        for hook in self.hooks.values():
            yield from hook.monitors.values()


def _firing(
    hook: Hook, fire: Callable[[Hook, KubernetesBinding, WatchEvent], None]
) -> Callable[[KubernetesBinding, WatchEvent], None]:
    return lambda binding, event: fire(hook, binding, event)


def _paths(operations: tuple[Operation, ...]) -> list[str]:
    return [f"{operation.op} {operation.path}" for operation in operations]
