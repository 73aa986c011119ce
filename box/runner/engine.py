# SPDX-License-Identifier: Apache-2.0
"""The runner as a whole: queues, the ConfigMap, schedules, readiness, start and stop of one module."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from box.runner import debug, log
from box.runner.config import MAIN_QUEUE, KubernetesBinding
from box.runner.context import Reason, event_context
from box.runner.errors import ApiError, HookFailed, PatchError, ValuesError
from box.runner.helm import Chart
from box.runner.kubeapi import KubeApi
from box.runner.merge import HookRun
from box.runner.module import Hook, Module, Phase
from box.runner.openapi import load_schemas
from box.runner.queues import ConfigChange, ModuleDelete, ModuleRun, Payload, Task, TaskQueue, Verdict
from box.runner.scheduler import Scheduler
from box.runner.snapshot import WatchEvent
from box.runner.usersettings import SettingsMap, read_config_map
from box.runner.values import UserConfig, ValuesStore

STOP_LIMIT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says. `module` is the folder, `static` the modules' values.yaml."""

    namespace: str
    config_map: str
    module_folder: Path
    module: str
    static: dict[str, Any]
    tmp_dir: Path


class Engine:
    """Runs one module until it is stopped."""

    def __init__(self, options: Options, api: KubeApi, patcher: KubeApi) -> None:
        self._options = options
        self._api = api
        self._store = ValuesStore(options.module, load_schemas(options.module_folder / "openapi"), options.static)
        self._module = Module(
            folder=options.module_folder,
            store=self._store,
            api=api,
            patcher=patcher,
            tmp_dir=options.tmp_dir,
            settings_writer=self._write_settings,
        )
        self._chart = Chart(
            api=api,
            module=options.module,
            folder=options.module_folder,
            namespace=options.namespace,
            tmp_dir=options.tmp_dir,
        )
        self._settings = SettingsMap(api, options.namespace, options.config_map)
        self._stop = threading.Event()
        self._converged = threading.Event()
        self._user = UserConfig()
        self._data: dict[str, str] = {}
        self._queues: dict[str, TaskQueue] = {}
        self._queues_lock = threading.Lock()
        self._main = self._queue(MAIN_QUEUE)

    def start(self) -> None:
        """Read the ConfigMap and begin. Raises RunnerError when it is not there."""
        self._data, revision = self._settings.read()
        self._user = read_config_map(self._data, self._options.module, self._user)
        self._store.set_config(self._user)
        self._settings.follow(revision, self._see_config, self._stop)
        Scheduler(self._module, self._is_due, self._enqueue, self._stop).start()
        if self._is_enabled():
            self._main.add_last(ModuleRun(reason="start"))
        else:
            log.emit("info", "module is disabled", module=self._options.module)
            self._converged.set()

    def stop(self) -> bool:
        """Take no new task and wait up to 30 s for running hooks; answers whether all have ended."""
        self._stop.set()
        limit = time.monotonic() + STOP_LIMIT
        with self._queues_lock:
            queues = list(self._queues.values())
        return all(queue.join(limit - time.monotonic()) for queue in queues)

    def readiness(self) -> debug.Answer:
        """Answer `/readyz`; once 200 it stays so."""
        if self._converged.is_set():
            return 200, "Startup converge done.\n"
        return 500, "Startup converge in progress\n"

    def describe_queues(self) -> list[dict[str, Any]]:
        """Answer all queues, `main` first."""
        with self._queues_lock:
            names = sorted(self._queues, key=lambda name: (name != MAIN_QUEUE, name))
            return [self._queues[name].describe() for name in names]

    def _queue(self, name: str) -> TaskQueue:
        with self._queues_lock:
            if name not in self._queues:
                self._queues[name] = TaskQueue(name, self._handle, self._stop)
                self._queues[name].start()
            return self._queues[name]

    def _handle(self, queue: TaskQueue, task: Task) -> Verdict:
        payload: Payload = task.payload
        match payload:
            case HookRun():
                return self._run_hook(queue, task)
            case ModuleRun(reason=reason):
                return self._run_module(reason)
            case ModuleDelete():
                return self._delete_module()
            case ConfigChange():
                return self._take_config()

    def _run_hook(self, queue: TaskQueue, task: Task) -> Verdict:
        """Wait for the hook's pace, merge, run; values changed by an event lead to a ModuleRun."""
        if not isinstance(task.payload, HookRun):
            raise TypeError(task.title)
        hook = self._module.hook(task.payload.hook)
        if self._stop.wait(hook.bucket.reserve()):
            return Verdict.REPEAT
        run = queue.merge(task)
        try:
            changed = self._module.execute(hook, run.contexts, queue.name)
        except (HookFailed, PatchError, ValuesError, ApiError) as error:
            if not run.allow_failure:
                raise
            log.emit("warn", f"failure is allowed: {error}", hook=run.hook, queue=queue.name)
            changed = False
        if run.synchronizes:
            self._module.finish_synchronization(hook, run)
        eventful = any(context.reason is not Reason.SYNCHRONIZATION for context in run.contexts)
        if changed and eventful and self._main.add_once(ModuleRun(reason=f"values changed by {run.hook}")):
            log.emit("info", "values changed, ModuleRun queued", hook=run.hook, queue=queue.name)
        return Verdict.DONE

    def _run_module(self, reason: str) -> Verdict:
        """Go through the phases of the start that are left, then beforeHelm, helm, afterHelm."""
        module = self._module
        if not self._is_enabled():
            return Verdict.DONE
        if module.phase is Phase.NEW:
            module.load()
            module.run_lifecycle(Reason.ON_STARTUP)
            module.phase = Phase.STARTED
        if module.phase is Phase.STARTED:
            module.start_monitors(self._fire)
            in_main: list[HookRun] = []
            for queue, run in module.synchronizations():
                if queue == MAIN_QUEUE:
                    in_main.append(run)
                else:
                    self._queue(queue).add_last(run)
            self._main.add_first(*in_main)
            module.phase = Phase.SYNCHRONIZING
        if module.phase is Phase.SYNCHRONIZING:
            if not module.is_synchronized():
                return Verdict.REPEAT
            module.phase = Phase.RUNNING
        began = time.monotonic()
        module.run_lifecycle(Reason.BEFORE_HELM)
        self._store.check_for_helm()
        upgraded = self._chart.install(self._store.values())
        if module.run_lifecycle(Reason.AFTER_HELM):
            self._main.add_once(ModuleRun(reason="values changed after helm"))
        log.emit(
            "info",
            "module run done",
            module=module.name,
            reason=reason,
            helm="upgraded" if upgraded else "unchanged",
            seconds=round(time.monotonic() - began, 3),
        )
        if not self._converged.is_set():
            log.emit("info", "startup converge done", module=module.name)
        self._converged.set()
        return Verdict.DONE

    def _delete_module(self) -> Verdict:
        """Take the module down: hooks of the removal around the end of the release."""
        module = self._module
        module.stop_events()
        with self._queues_lock:
            queues = list(self._queues.values())
        for queue in queues:
            queue.drop_hook_runs()
        module.run_lifecycle(Reason.BEFORE_DELETE_HELM)
        self._chart.uninstall()
        module.run_lifecycle(Reason.AFTER_DELETE_HELM)
        module.forget()
        log.emit("info", "module is deleted", module=module.name)
        return Verdict.DONE

    def _fire(self, hook: Hook, binding: KubernetesBinding, event: WatchEvent) -> None:
        run = HookRun(
            hook=hook.file.name, contexts=(event_context(binding, event),), allow_failure=binding.allow_failure
        )
        self._enqueue(binding.queue, run)

    def _is_enabled(self) -> bool:
        enabled = self._user.enabled
        return bool(self._options.static.get(f"{self._options.module}Enabled", False)) if enabled is None else enabled

    def _take_config(self) -> Verdict:
        """Take over the ConfigMap as it is now. Raises ValuesError for invalid settings: `main` then waits."""
        user = read_config_map(self._data, self._options.module, self._user)
        self._store.check_config(user.settings)
        was_enabled, before = self._is_enabled(), self._user
        self._user = user
        self._store.set_config(user)
        if was_enabled and not self._is_enabled():
            self._main.add_last(ModuleDelete())
        elif self._is_enabled() and (not was_enabled or user != before):
            self._main.add_once(ModuleRun(reason="configuration changed"))
        return Verdict.DONE

    def _see_config(self, data: dict[str, str]) -> None:
        if data == self._data:
            return
        self._data = data
        log.emit("info", "configuration changed", keys=sorted(data))
        self._main.add_first(ConfigChange())

    def _write_settings(self, settings: dict[str, object]) -> None:
        """Store settings that a hook changed; the watch of the ConfigMap then brings them in."""
        self._settings.write(self._options.module, settings)

    def _is_due(self) -> bool:
        """Tell whether schedules may fire: not before the first converge, not while the module is down."""
        return self._converged.is_set() and self._module.phase is Phase.RUNNING

    def _enqueue(self, queue: str, run: HookRun) -> None:
        self._queue(queue).add_last(run)


def routes(engine: Engine) -> debug.Routes:
    """Answer the paths of the listen address."""
    healthy: Callable[[], debug.Answer] = lambda: (200, "ok\n")  # noqa: E731
    return {"/readyz": engine.readiness, "/healthz": healthy}


def debug_routes(engine: Engine) -> debug.Routes:
    """Answer the paths of the debug socket."""
    return {
        "/queue/list.text": lambda: (200, debug.render_queues(engine.describe_queues())),
        "/queue/list.json": lambda: (200, debug.queues_json(engine.describe_queues())),
    }
