# SPDX-License-Identifier: Apache-2.0
"""A service: its commands one after another, its end, and whether it comes back."""

import signal
from collections.abc import Callable

from box.platform.systemd.command_line import ExecLine
from box.platform.systemd.loop import Moment
from box.platform.systemd.notify import NotifySocket
from box.platform.systemd.process import find_group, send_signal
from box.platform.systemd.service_processes import ServiceProcesses
from box.platform.systemd.service_spec import ServiceSpec, ServiceType, parse_service
from box.platform.systemd.start_limit import StartLimit
from box.platform.systemd.states import ActiveState, Result
from box.platform.systemd.unit import Host, Unit, format_microseconds
from box.platform.systemd.unit_file import UnitFile

_GROUP_POLL_SECONDS = 0.05


class Service(Unit):
    """A service unit; ValueError from the constructor when its file cannot be obeyed."""

    def __init__(self, host: Host, file: UnitFile) -> None:
        super().__init__(host, file)
        self.spec: ServiceSpec = parse_service(file, host.hostname)
        self.main_started_at = 0.0
        self.main_ended_at = 0.0
        self.main_status = 0
        self.restarts = 0
        self._processes = ServiceProcesses(host, self.spec, "")
        self._control_pid = 0
        self._queue: list[ExecLine] = []
        self._moments: dict[str, Moment] = {}
        self._notify: NotifySocket | None = None
        self._stop_wanted = False
        self._signalled = False
        self._limit = StartLimit(self.spec.start_limit_interval, self.spec.start_limit_burst)

    def adopt(self, file: UnitFile) -> None:
        """Take a re-read unit file for the next start; ValueError keeps the old one."""
        self.spec = parse_service(file, self.host.hostname)
        self._limit.configure(self.spec.start_limit_interval, self.spec.start_limit_burst)
        super().adopt(file)

    def start(self) -> None:
        """Begin a start unless it is up or coming up; a waiting automatic restart happens at once."""
        if not self.state.is_down and self.sub_state != "auto-restart":
            return
        self._cancel("restart")
        if not self._limit.admit(self.host.loop.now()):
            self.log_error("start request repeated too quickly")
            self._fail(Result.START_LIMIT_HIT)
            return
        self.result = Result.SUCCESS
        self._stop_wanted = self._signalled = False
        self.main_status = 0
        for folder in self.spec.directories:
            (self.host.root / folder).mkdir(parents=True, exist_ok=True)
        if self.spec.type is ServiceType.NOTIFY:
            self._notify = NotifySocket(self.host.root, self.name, self.host.loop, self._on_ready)
        self._processes = ServiceProcesses(self.host, self.spec, str(self._notify.path) if self._notify else "")
        try:
            self._processes.build_environment()
        except OSError as error:
            self.log_error(f"EnvironmentFile=: {error}")
            self._fail(Result.RESOURCES)
            return
        self.log("starting")
        self._arm(self.spec.start_timeout)
        self._queue = list(self.spec.start_pre)
        self.set_state(ActiveState.ACTIVATING, "start-pre" if self._queue else "start")
        self._next_start_pre()

    def stop(self) -> None:
        """Begin a stop, also of a start that is under way or of a waiting automatic restart."""
        self._stop_wanted = True
        if self.sub_state == "auto-restart":
            self._cancel("restart")
            self._finish()
        elif self.state in {ActiveState.ACTIVE, ActiveState.ACTIVATING}:
            self.log("stopping")
            self._arm(self.spec.stop_timeout)
            self._queue = list(self.spec.stop) if self.state is ActiveState.ACTIVE else []
            self.set_state(ActiveState.DEACTIVATING, "stop")
            self._next_stop()

    def reload(self) -> bool:
        """Run ExecReload's commands; False when there are none."""
        for line in self.spec.reload:
            self._processes.spawn(line)
        return bool(self.spec.reload)

    def kill(self, number: int) -> None:
        """Signal every process of the service."""
        send_signal(find_group(self._processes.invocation), number)

    def reset_failed(self) -> None:
        """Forget a failure and the starts counted so far."""
        self._limit.reset()
        super().reset_failed()

    def _next_start_pre(self) -> None:
        if self._queue:
            self._run_control(self._queue.pop(0), self._next_start_pre)
            return
        self._queue = list(self.spec.start)
        self._next_start()

    def _next_start(self) -> None:
        if self.spec.type is ServiceType.ONESHOT and not self._queue:
            self._run_start_post()
            return
        self._run_main(self._queue.pop(0))
        if self.spec.type in {ServiceType.SIMPLE, ServiceType.EXEC}:
            self._run_start_post()

    def _on_ready(self) -> None:
        if self.sub_state == "start":
            self._run_start_post()

    def _run_start_post(self) -> None:
        self._queue = list(self.spec.start_post)
        if self._queue:
            self.set_state(ActiveState.ACTIVATING, "start-post")
        self._next_start_post()

    def _next_start_post(self) -> None:
        if self._queue:
            self._run_control(self._queue.pop(0), self._next_start_post)
        elif self.spec.type is ServiceType.ONESHOT and not self.spec.remain_after_exit:
            self._enter_kill()
        else:
            self._cancel("timeout")
            self.log("started")
            exited = self.spec.type is ServiceType.ONESHOT
            self.set_state(ActiveState.ACTIVE, "exited" if exited else "running")

    def _run_main(self, line: ExecLine) -> None:
        self.set_state(ActiveState.ACTIVATING, "start")
        pid = self._processes.main_pid = self._processes.spawn(line)
        self.main_started_at = self.host.loop.now()
        self.host.loop.on_child(pid, lambda status: self._main_ended(pid, line, status))

    def _main_ended(self, pid: int, line: ExecLine, status: int) -> None:
        if pid != self._processes.main_pid:
            return
        self._processes.main_pid, self.main_status = 0, status
        self.main_ended_at = self.host.loop.now()
        clean = line.ignore_failure or self.spec.is_clean(status)
        if not clean:
            self.log_error(f"main process {pid} {describe_end(status)}")
            self._signalled = status < 0
            self._note(Result.EXIT_CODE if status >= 0 else Result.SIGNAL)
        if self.state is ActiveState.DEACTIVATING:
            return  # the end that is under way waits for every process
        if clean and self.state is ActiveState.ACTIVATING:
            if self.spec.type is ServiceType.ONESHOT:
                self._next_start()
                return
            self._note(Result.PROTOCOL)
        if clean and self.spec.remain_after_exit:
            self.set_state(ActiveState.ACTIVE, "exited")
            return
        self._enter_kill()

    def _run_control(self, line: ExecLine, then: Callable[[], None]) -> None:
        pid = self._control_pid = self._processes.spawn(line)

        def ended(status: int) -> None:
            if pid != self._control_pid:
                return
            self._control_pid = 0
            failed = status != 0 and not line.ignore_failure
            if failed:
                self.log_error(f"command {line.words[0]} {describe_end(status)}")
                self._note(Result.EXIT_CODE if status > 0 else Result.SIGNAL)
            if failed and self.state is not ActiveState.DEACTIVATING:
                self._enter_kill()
            else:
                then()

        self.host.loop.on_child(pid, ended)

    def _next_stop(self) -> None:
        if self._queue:
            self._run_control(self._queue.pop(0), self._next_stop)
        else:
            self._enter_kill()

    def _enter_kill(self) -> None:
        self._control_pid = 0
        self._arm(self.spec.stop_timeout)
        self.set_state(ActiveState.DEACTIVATING, "stop-sigterm")
        self._processes.begin_end()
        self._await_end()

    def _await_end(self) -> None:
        if self._processes.is_gone():
            self._queue = list(self.spec.stop_post)
            self.set_state(ActiveState.DEACTIVATING, "stop-post")
            self._next_stop_post()
        else:
            again = self.host.loop.now() + _GROUP_POLL_SECONDS
            self._moments["end"] = self.host.loop.call_at(again, self._await_end)

    def _next_stop_post(self) -> None:
        if self._queue:
            self._run_control(self._queue.pop(0), self._next_stop_post)
        else:
            self._finish()

    def _finish(self) -> None:
        self._close()
        clean = self.result is Result.SUCCESS
        if clean:
            self.log("finished")
        else:
            self.log_error(f"failed with result '{self.result.value}'")
        again = not self._stop_wanted and self.spec.is_restarted_after(
            clean=clean, timed_out=self.result is Result.TIMEOUT, signalled=self._signalled
        )
        self.set_state(ActiveState.INACTIVE if clean else ActiveState.FAILED, "dead" if clean else "failed")
        if again and self.state.is_down:
            when = self.host.loop.now() + self.spec.restart_after
            self._moments["restart"] = self.host.loop.call_at(when, self._restart)
            self.set_state(ActiveState.ACTIVATING, "auto-restart")

    def _restart(self) -> None:
        self.restarts += 1
        self.start()

    def _fail(self, result: Result) -> None:
        self._close()
        self.result = result
        self.set_state(ActiveState.FAILED, "failed")

    def _on_timeout(self) -> None:
        self._note(Result.TIMEOUT)
        if self.state is ActiveState.DEACTIVATING:
            self.log_error("stop timed out, killing")
            self.set_state(ActiveState.DEACTIVATING, "stop-sigkill")
            send_signal(self._processes.find_members() | ({self._control_pid} - {0}), signal.SIGKILL)
            return
        self.log_error("start timed out")
        send_signal({self._control_pid} - {0}, self.spec.kill_signal)
        self._enter_kill()

    def _note(self, result: Result) -> None:
        if self.result is Result.SUCCESS:  # the first reason is the one that tells something
            self.result = result

    def _arm(self, seconds: float) -> None:
        self._cancel("timeout")
        if seconds != float("inf"):
            self._moments["timeout"] = self.host.loop.call_at(self.host.loop.now() + seconds, self._on_timeout)

    def _cancel(self, name: str) -> None:
        moment = self._moments.pop(name, None)
        if moment is not None:
            moment.cancel()

    def _close(self) -> None:
        for name in tuple(self._moments):
            self._cancel(name)
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def properties(self) -> dict[str, str]:
        """Build what `systemctl show` prints."""
        return {
            **super().properties(),
            "Type": self.spec.type.value,
            "Restart": self.spec.restart.value,
            "MainPID": str(self._processes.main_pid),
            "NRestarts": str(self.restarts),
            "InvocationID": self._processes.invocation,
            "ExecMainStartTimestampMonotonic": format_microseconds(self.main_started_at),
            "ExecMainExitTimestampMonotonic": format_microseconds(self.main_ended_at),
            "ExecMainStatus": str(abs(self.main_status)),
        }


def describe_end(status: int) -> str:
    """Word an exit code of the loop: `exited with status 1`, `was killed by SIGTERM`."""
    return f"exited with status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"
