# SPDX-License-Identifier: Apache-2.0
"""The processes of one start of a service: spawning them, finding them, ending them."""

import os
import secrets
import signal

from box.platform.systemd.command_line import ExecLine, expand_variables, parse_environment_file
from box.platform.systemd.process import Launch, find_group, send_signal, start_process
from box.platform.systemd.service_spec import KillMode, ServiceSpec
from box.platform.systemd.unit import Host


class ServiceProcesses:
    """One invocation of a service; `main_pid` is 0 while there is no main process."""

    def __init__(self, host: Host, spec: ServiceSpec, notify_path: str) -> None:
        self.invocation = secrets.token_hex(16)
        self.main_pid = 0
        self._host = host
        self._spec = spec
        self._notify_path = notify_path

    def spawn(self, line: ExecLine) -> int:
        """Start a command of the service; OSError when an environment file is absent."""
        environment = self.build_environment()
        output = (
            os.open(os.devnull, os.O_WRONLY) if self._spec.silent else self._host.journal.open_output(self._spec.name)
        )
        try:
            return start_process(
                Launch(
                    words=expand_variables(line.words, environment),
                    environment=environment,
                    working_directory=self._spec.working_directory,
                    nice=self._spec.nice,
                    umask=self._spec.umask,
                    output=output,
                )
            )
        finally:
            os.close(output)

    def build_environment(self) -> dict[str, str]:
        """Build the environment of the service's commands; OSError when an environment file is absent."""
        environment = {
            **self._host.base_environment,
            "INVOCATION_ID": self.invocation,
            **self._spec.environment,
        }
        for entry in self._spec.environment_files:
            path = self._host.root / entry.removeprefix("-").lstrip("/")
            if path.is_file() or not entry.startswith("-"):
                environment |= parse_environment_file(path.read_text(encoding="utf-8"))
        if self.main_pid:
            environment["MAINPID"] = str(self.main_pid)
        if self._notify_path:
            environment["NOTIFY_SOCKET"] = self._notify_path
        return environment

    def find_members(self) -> set[int]:
        """Ids of the processes that a stop has to wait for."""
        main = {self.main_pid} - {0}
        match self._spec.kill_mode:
            case KillMode.NONE:
                return set()
            case KillMode.PROCESS:
                return main
            case KillMode.MIXED | KillMode.CONTROL_GROUP:
                return main | find_group(self.invocation)

    def begin_end(self) -> None:
        """Send the stop signal to those whom the kill mode names."""
        match self._spec.kill_mode:
            case KillMode.NONE:
                return
            case KillMode.CONTROL_GROUP:
                send_signal(self.find_members(), self._spec.kill_signal)
            case KillMode.MIXED | KillMode.PROCESS:
                send_signal({self.main_pid} - {0}, self._spec.kill_signal)

    def is_gone(self) -> bool:
        """Whether nothing is left; with KillMode=mixed the rest is killed once the main process ended."""
        if self._spec.kill_mode is KillMode.MIXED and not self.main_pid:
            send_signal(find_group(self.invocation), signal.SIGKILL)
        return not self.find_members()
