# SPDX-License-Identifier: Apache-2.0
"""The runner as a whole: queues, the ConfigMap, schedules, readiness, start and stop."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from box.runner import debug, log
from box.runner.configuration import Configuration
from box.runner.context import Reason
from box.runner.errors import ApiError, HookFailed, PatchError, ValuesError
from box.runner.fuse import Fuse
from box.runner.helm import Chart
from box.runner.kubeapi import KubeApi
from box.runner.lifecycle import Lifecycle
from box.runner.merge import HookRun
from box.runner.metrics import MetricStorage
from box.runner.module import Module, Phase
from box.runner.openapi import load_schemas
from box.runner.queues import ConfigChange, ModuleDelete, ModuleRun, Task, TaskQueue, Verdict
from box.runner.queueset import QueueSet
from box.runner.scheduler import Scheduler
from box.runner.usersettings import SettingsMap
from box.runner.values import ValuesStore

STOP_LIMIT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says. `modules` maps names to folders, in the order of their runs."""

    namespace: str
    config_map: str
    modules: Mapping[str, Path]
    static: dict[str, Any]
    tmp_dir: Path


class Engine:
    """Runs modules until it is stopped."""

    def __init__(self, options: Options, api: KubeApi, patcher: KubeApi, metrics: MetricStorage) -> None:
        self._options = options
        self._settings = SettingsMap(api, options.namespace, options.config_map)
        self._stop = threading.Event()
        self._queues = QueueSet(self._handle, self._stop)
        self._modules = {
            name: Lifecycle(self._load(name, api, patcher, metrics), self._chart(name, api), self._queues)
            for name in options.modules
        }
        stores = [life.module.store for life in self._modules.values()]
        self._configuration = Configuration(stores, options.static)
        self._data: dict[str, str] = {}
        self._to_start: set[str] = set()
        self._converged = threading.Event()

    def start(self) -> None:
        """Read the ConfigMap and begin. Raises RunnerError when it is not there."""
        self._data, revision = self._settings.read()
        self._configuration.take(self._data, check=False)
        self._settings.follow(revision, self._see_config, self._stop)
        Scheduler(self._running_modules, self._queues.add, self._stop).start()
        self._to_start = {name for name in self._modules if self._configuration.is_enabled(name)}
        for name in self._modules:
            if name in self._to_start:
                self._queues.main.add_last(ModuleRun(module=name, reason="start"))
            else:
                log.emit("info", "module is disabled", module=name)
        self._note_started("")

    def stop(self) -> bool:
        """Take no new task and wait up to 30 s for running hooks; answers whether all have ended."""
        self._stop.set()
        return self._queues.join(STOP_LIMIT)

    def readiness(self) -> debug.Answer:
        """Answer `/readyz`; once 200 it stays so."""
        if self._converged.is_set():
            return 200, "Startup converge done.\n"
        return 500, "Startup converge in progress\n"

    def describe_queues(self) -> list[dict[str, Any]]:
        """Answer all queues, `main` first."""
        return self._queues.describe()

    def _load(self, name: str, api: KubeApi, patcher: KubeApi, metrics: MetricStorage) -> Module:
        folder = self._options.modules[name]
        return Module(
            folder=folder,
            store=ValuesStore(name, load_schemas(folder / "openapi"), self._options.static),
            api=api,
            patcher=patcher,
            tmp_dir=self._options.tmp_dir,
            settings_writer=partial(self._settings.write, name),
            metrics=metrics,
        )

    def _chart(self, name: str, api: KubeApi) -> Chart:
        options = self._options
        return Chart(
            api=api,
            module=name,
            folder=options.modules[name],
            namespace=options.namespace,
            tmp_dir=options.tmp_dir,
        )

    def _handle(self, queue: TaskQueue, task: Task) -> Verdict:
        match task.payload:
            case HookRun():
                return self._run_hook(queue, task)
            case ModuleRun(module=name, reason=reason):
                return self._run_module(name, reason)
            case ModuleDelete(module=name):
                self._modules[name].delete()
                return Verdict.DONE
            case ConfigChange():
                return self._take_config()

    def _run_hook(self, queue: TaskQueue, task: Task) -> Verdict:
        """Wait for the hook's pace, merge, run; values changed by an event lead to a ModuleRun."""
        if not isinstance(task.payload, HookRun):
            raise TypeError(task.title)
        module = self._modules[task.payload.module].module
        hook = module.hook(task.payload.hook)
        if self._stop.wait(hook.bucket.reserve()):
            return Verdict.REPEAT
        run = queue.merge(task)
        try:
            changed = module.execute(hook, run.contexts, queue.name)
        except (HookFailed, PatchError, ValuesError, ApiError) as error:
            if not run.allow_failure:
                raise
            log.emit("warn", f"failure is allowed: {error}", hook=run.hook, queue=queue.name)
            changed = False
        if run.synchronizes:
            module.finish_synchronization(hook, run)
        eventful = any(context.reason is not Reason.SYNCHRONIZATION for context in run.contexts)
        if changed and eventful:
            reason = f"values changed by {run.hook}"
            if self._queues.main.add_once(ModuleRun(module=module.name, reason=reason)):
                log.emit("info", "values changed, ModuleRun queued", hook=run.hook, queue=queue.name)
        return Verdict.DONE

    def _run_module(self, name: str, reason: str) -> Verdict:
        if not self._configuration.is_enabled(name):
            self._note_started(name)
            return Verdict.DONE
        verdict = self._modules[name].run(reason)
        if verdict is Verdict.DONE:
            self._note_started(name)
        return verdict

    def _note_started(self, name: str) -> None:
        """Note that a module needs no first run any more; without such modules the start is over, for good."""
        self._to_start.discard(name)
        if not self._to_start and not self._converged.is_set():
            log.emit("info", "startup converge done")
            self._converged.set()

    def _take_config(self) -> Verdict:
        """Take over the ConfigMap as it is now. Raises ValuesError for invalid settings: `main` then waits."""
        for name, was_enabled in self._configuration.take(self._data).items():
            if self._configuration.is_enabled(name):
                self._queues.main.add_once(ModuleRun(module=name, reason="configuration changed"))
            elif was_enabled:
                self._queues.main.add_last(ModuleDelete(module=name))
        return Verdict.DONE

    def _see_config(self, data: dict[str, str]) -> None:
        if data == self._data:
            return
        self._data = data
        log.emit("info", "configuration changed", keys=sorted(data))
        self._queues.main.add_first(ConfigChange())

    def _running_modules(self) -> list[Module]:
        """Answer the modules whose schedules may fire: none before the first converge, none that is down."""
        modules = [life.module for life in self._modules.values()] if self._converged.is_set() else []
        return [module for module in modules if module.phase is Phase.RUNNING]


def routes(engine: Engine, metrics: MetricStorage) -> debug.Routes:
    """Answer the paths of the listen address."""
    return {
        "/readyz": lambda _: engine.readiness(),
        "/healthz": lambda _: (200, "ok\n"),
        "/metrics": lambda _: (200, metrics.render()),
        "/metrics/hooks": lambda _: (200, metrics.render()),
    }


def debug_routes(engine: Engine, fuse: Fuse) -> debug.Routes:
    """Answer the paths of the debug socket."""
    return {
        "/queue/list.text": lambda _: (200, debug.render_queues(engine.describe_queues())),
        "/queue/list.json": lambda _: (200, debug.queues_json(engine.describe_queues())),
        "/fuse": fuse.answer,
    }
