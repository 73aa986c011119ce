# SPDX-License-Identifier: Apache-2.0
"""What is done with one module in queue `main`: its start in phases, its release, its removal."""

from __future__ import annotations

import time

from box.runner import log
from box.runner.config import MAIN_QUEUE, KubernetesBinding
from box.runner.context import Reason, event_context
from box.runner.helm import Chart
from box.runner.merge import HookRun
from box.runner.module import Hook, Module, Phase
from box.runner.queues import ModuleRun, Verdict
from box.runner.queueset import QueueSet
from box.runner.snapshot import WatchEvent


class Lifecycle:
    """A module with its release."""

    def __init__(self, module: Module, chart: Chart, queues: QueueSet) -> None:
        self.module = module
        self._chart = chart
        self._queues = queues

    def run(self, reason: str) -> Verdict:
        """Go through the phases of the start that are left, then beforeHelm, helm, afterHelm.

        A retry takes up the phase that failed. Raises RunnerError; REPEAT while Synchronizations are under way.
        """
        module = self.module
        if module.phase is Phase.NEW:
            module.load()
            module.run_lifecycle(Reason.ON_STARTUP)
            module.phase = Phase.STARTED
        if module.phase is Phase.STARTED:
            module.start_monitors(self._fire)
            self._synchronize()
            module.phase = Phase.SYNCHRONIZING
        if module.phase is Phase.SYNCHRONIZING:
            if not module.is_synchronized():
                return Verdict.REPEAT
            module.phase = Phase.RUNNING
        self._release(reason)
        return Verdict.DONE

    def delete(self) -> None:
        """Take the module down: hooks of the removal around the end of the release."""
        module = self.module
        module.stop_events()
        self._queues.drop_hook_runs(module.name)
        module.run_lifecycle(Reason.BEFORE_DELETE_HELM)
        self._chart.uninstall()
        module.run_lifecycle(Reason.AFTER_DELETE_HELM)
        module.forget()
        log.emit("info", "module is deleted", module=module.name)

    def _synchronize(self) -> None:
        in_main: list[HookRun] = []
        for queue, run in self.module.synchronizations():
            if queue == MAIN_QUEUE:
                in_main.append(run)
            else:
                self._queues.add(queue, run)
        self._queues.main.add_first(*in_main)

    def _release(self, reason: str) -> None:
        module = self.module
        began = time.monotonic()
        module.run_lifecycle(Reason.BEFORE_HELM)
        module.store.check_for_helm()
        upgraded = self._chart.install(module.store.values())
        if module.run_lifecycle(Reason.AFTER_HELM):
            self._queues.main.add_once(ModuleRun(module=module.name, reason="values changed after helm"))
        log.emit(
            "info",
            "module run done",
            module=module.name,
            reason=reason,
            helm="upgraded" if upgraded else "unchanged",
            seconds=round(time.monotonic() - began, 3),
        )

    def _fire(self, hook: Hook, binding: KubernetesBinding, event: WatchEvent) -> None:
        run = HookRun(
            module=self.module.name,
            hook=hook.file.name,
            contexts=(event_context(binding, event),),
            allow_failure=binding.allow_failure,
        )
        self._queues.add(binding.queue, run)
