# SPDX-License-Identifier: Apache-2.0
"""The stand-in for systemd as a process with a scratch root, asked through its own systemctl."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from box.platform.systemd.control import call_init
from box.platform.systemd.systemctl import parse_arguments

REPOSITORY = Path(__file__).resolve().parents[4]
BIN = REPOSITORY / "box/platform/bin"


class Init:
    """One running init process and its root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {**os.environ, "BOX_SYSTEMD_ROOT": str(root), "BOX_PYTHON": sys.executable}
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, name: str, text: str, folder: str = "etc/systemd/system") -> None:
        path = self.root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def boot(self) -> None:
        command = [sys.executable, "-m", "box.platform.systemd", "--root", str(self.root)]
        self.process = subprocess.Popen(command, cwd=REPOSITORY)
        self.wait_for(lambda: (self.root / "run/systemd/standin.socket").exists())

    def ctl(self, *words: str) -> tuple[int, str, str]:
        """What systemctl does, without the cost of a process."""
        answer = call_init(self.root, parse_arguments(list(words))[0])
        return answer.status, answer.out, answer.err

    def run(self, program: str, *words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [BIN / program, *words], env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    def show(self, unit: str, key: str) -> str:
        return self.ctl("show", unit, "-p", key, "--value")[1]

    def journal(self, unit: str) -> str:
        path = self.root / f"var/log/journal-standin/{unit}.log"
        return path.read_text() if path.exists() else ""

    def wait_for(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.journal("systemd")
            time.sleep(0.02)

    def end(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(10)


@pytest.fixture
def init() -> Iterator[Init]:
    root = Path(tempfile.mkdtemp(prefix="sd"))  # short: socket paths are limited to 108 characters
    node = Init(root)
    yield node
    if node.process is not None and node.process.poll() is None:
        node.end()
    shutil.rmtree(root)


def test_an_enabled_service_is_started_at_boot_and_ended_at_shutdown(init: Init) -> None:
    init.write("a.service", "[Service]\nExecStart=/bin/sh -c 'echo hello $WHO; exec sleep 60'\nEnvironment=WHO=you\n")
    init.write("multi-user.target.wants/a.service", "")
    init.boot()
    init.wait_for(lambda: "hello you" in init.journal("a.service"))
    pid = int(init.show("a", "MainPID"))
    assert init.ctl("is-active", "a") == (0, "active", "")
    assert init.end() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_start_waits_for_a_oneshot_and_reports_its_failure(init: Init) -> None:
    init.write("good.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 0.2\nExecStart=/bin/sh -c 'echo done'\n")
    init.write("bad.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n")
    init.boot()
    assert init.ctl("start", "good")[0] == 0
    assert "done" in init.journal("good.service")
    assert init.ctl("is-active", "good") == (3, "inactive", "")
    status, _, error = init.ctl("start", "bad")
    assert status == 1
    assert "Job for bad.service failed because the control process exited with error code." in error
    assert init.show("bad", "Result") == "exit-code"
    assert init.ctl("status", "bad")[0] == 3


def test_absent_units_have_the_exit_statuses_of_systemctl(init: Init) -> None:
    init.boot()
    assert init.ctl("start", "none")[0] == 5
    assert init.ctl("status", "none")[0] == 4
    assert init.ctl("is-active", "none")[0] == 3
    assert init.ctl("is-enabled", "none") == (1, "not-found", "")


def test_the_program_systemctl_prints_and_exits_as_the_init_process_answers(init: Init) -> None:
    init.write("bad.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n")
    init.boot()
    status, out, error = init.run("systemctl", "start", "bad")
    assert (status, out) == (1, "")
    assert "Job for bad.service failed" in error
    assert init.run("systemctl", "is-failed", "bad") == (0, "failed", "")
    assert init.run("systemctl", "--what", "bad")[0] == 1


def test_a_failing_daemon_comes_back_and_a_restart_gives_another_process(init: Init) -> None:
    init.write(
        "a.service", "[Service]\nExecStart=/bin/sleep 60\nRestart=always\nRestartSec=100ms\n[Unit]\nDescription=d\n"
    )
    init.boot()
    assert init.ctl("start", "a")[0] == 0
    first, started = init.show("a", "MainPID"), int(init.show("a", "ExecMainStartTimestampMonotonic"))
    os.kill(int(first), signal.SIGKILL)
    init.wait_for(lambda: init.show("a", "NRestarts") == "1" and init.show("a", "ActiveState") == "active")
    second = init.show("a", "MainPID")
    assert second not in {"0", first}
    assert int(init.show("a", "ExecMainStartTimestampMonotonic")) > started
    assert init.ctl("restart", "a")[0] == 0
    assert init.show("a", "MainPID") not in {"0", first, second}
    assert init.ctl("stop", "a")[0] == 0
    assert init.ctl("is-active", "a") == (3, "inactive", "")


def test_a_daemon_that_ends_at_once_hits_the_start_limit(init: Init) -> None:
    init.write("a.service", "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=10ms\n")
    init.boot()
    init.ctl("start", "a")
    init.wait_for(lambda: init.show("a", "Result") == "start-limit-hit")
    assert init.ctl("is-failed", "a") == (0, "failed", "")
    assert init.ctl("reset-failed", "a")[0] == 0
    assert init.ctl("start", "a")[0] == 0


def test_a_notify_service_is_active_only_when_it_says_so(init: Init) -> None:
    gate = init.root / "gate"
    sender = "socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM).sendto(b'READY=1',os.environ['NOTIFY_SOCKET'])"
    say = f'{sys.executable} -c "import os,socket; {sender}"'
    (init.root / "daemon").write_text(f"until [ -e {gate} ]; do sleep 0.05; done; {say}; exec sleep 60\n")
    init.write("a.service", f"[Service]\nType=notify\nExecStart=/bin/sh {init.root}/daemon\n")
    init.write("late.service", "[Service]\nType=notify\nExecStart=/bin/sleep 60\nTimeoutStartSec=300ms\n")
    init.boot()
    assert init.ctl("start", "--no-block", "a")[0] == 0
    assert init.ctl("is-active", "a")[1] == "activating"
    gate.touch()
    init.wait_for(lambda: init.ctl("is-active", "a")[1] == "active")
    status, _, error = init.ctl("start", "late")
    assert status == 1
    assert "a timeout was exceeded" in error


@pytest.mark.parametrize(("mode", "survives"), [("process", True), ("control-group", False), ("mixed", False)])
def test_kill_mode_decides_over_the_other_processes(init: Init, mode: str, survives: bool) -> None:
    script = f"sleep 61 & echo $! > {init.root}/child; exec sleep 60"
    init.write("a.service", f"[Service]\nExecStart=/bin/sh -c '{script}'\nKillMode={mode}\n")
    init.boot()
    init.ctl("start", "a")
    child = init.root / "child"
    init.wait_for(lambda: child.exists() and child.read_text() != "")
    assert init.ctl("stop", "a")[0] == 0
    pid = int(child.read_text())
    # The stop returns when the signals are sent; on a busy machine a killed process is still there for a moment.
    init.wait_for(lambda: Path(f"/proc/{pid}").exists() is survives)
    if survives:
        os.kill(pid, signal.SIGKILL)


def test_a_timer_repeats_after_the_end_of_its_unit_and_a_reload_changes_its_span(init: Init) -> None:
    count = init.root / "count"
    init.write("a.service", f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo x >> {count}'\n")
    init.write(
        "a.timer",
        "[Timer]\nOnActiveSec=50ms\nOnUnitInactiveSec=1h\nAccuracySec=1us\n[Install]\nWantedBy=timers.target\n",
    )
    init.boot()
    status, _, error = init.ctl("enable", "--now", "a.timer")
    assert (status, init.ctl("is-enabled", "a.timer")[1]) == (0, "enabled"), error
    init.wait_for(lambda: count.exists() and init.show("a.timer", "SubState") == "waiting")
    assert count.read_text().count("x") == 1
    assert "a.service" in init.ctl("list-timers")[1]
    drop_in = "[Timer]\nOnUnitInactiveSec=\nOnUnitInactiveSec=3s\nOnUnitInactiveSec=700ms\n"
    init.write("10.conf", drop_in, "run/systemd/system/a.timer.d")
    assert init.ctl("daemon-reload")[0] == 0
    init.wait_for(lambda: count.read_text().count("x") >= 3)
    assert init.ctl("disable", "--now", "a.timer")[0] == 0
    assert init.ctl("is-enabled", "a.timer")[1] == "disabled"


@pytest.mark.parametrize("how", ["created", "rewritten", "replaced", "removed"])
def test_a_path_unit_notices_a_foreign_write(init: Init, how: str) -> None:
    ran, watched = init.root / "ran", init.root / "etc/deep/hosts.toml"
    if how != "created":
        init.write("hosts.toml", "old", "etc/deep")
    init.write("a.service", f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo x >> {ran}'\n")
    init.write("a.path", "[Path]\nPathChanged=/etc/deep/hosts.toml\n[Install]\nWantedBy=paths.target\n")
    init.boot()
    assert init.ctl("enable", "--now", "a.path")[0] == 0
    assert not ran.exists()
    match how:
        case "created" | "rewritten":
            init.write("hosts.toml", "new", "etc/deep")
        case "replaced":
            init.write("next", "new", "etc/deep")
            (init.root / "etc/deep/next").rename(watched)
        case "removed":
            watched.unlink()
    init.wait_for(ran.exists)
    init.wait_for(lambda: init.show("a.path", "SubState") == "waiting")
    init.write("hosts.toml", "again", "etc/deep")
    init.wait_for(lambda: ran.read_text().count("x") >= 2)


def test_units_are_started_in_the_order_that_after_gives(init: Init) -> None:
    order = init.root / "order"
    slow = "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
    init.write("first.service", f"{slow}ExecStart=/bin/sh -c 'sleep 0.2; echo first >> {order}'\n")
    init.write(
        "second.service",
        "[Unit]\nRequires=first.service\nAfter=first.service\n"
        f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo second >> {order}'\n",
    )
    init.boot()
    assert init.ctl("start", "second")[0] == 0
    assert order.read_text().split() == ["first", "second"]
    assert init.show("first", "SubState") == "exited"


def test_an_unknown_directive_is_an_error_in_the_journal(init: Init) -> None:
    init.write("a.service", "[Service]\nType=oneshot\nExecStart=/bin/true\nDynamicUser=yes\n")
    init.boot()
    assert init.ctl("start", "a")[0] == 0
    assert "error:" in init.journal("a.service")
    assert "DynamicUser=" in init.journal("systemd")
    assert "DynamicUser=" in init.run("journalctl", "-u", "a")[1]


def test_a_condition_that_does_not_hold_skips_the_start_without_failing(init: Init) -> None:
    init.write(
        "a.service",
        "[Unit]\nConditionPathExists=/etc/there\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    )
    init.boot()
    assert init.ctl("start", "a")[0] == 0
    assert init.ctl("is-active", "a")[1] == "inactive"
    init.write("there", "", "etc")
    assert init.ctl("start", "a")[0] == 0
    assert init.ctl("is-active", "a")[1] == "active"


def test_a_client_that_speaks_another_language_does_not_end_the_init_process(init: Init) -> None:
    init.boot()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(init.root / "run/systemd/standin.socket"))
        client.sendall(b"\0AUTH EXTERNAL 30\r\n")
        assert b"not a request" in client.recv(4096)
    assert init.ctl("is-active", "none") == (3, "inactive", "")


def test_a_unit_that_runs_all_the_time_keeps_its_starts_out_of_the_journal_but_not_its_failures(init: Init) -> None:
    quiet = "[Service]\nType=oneshot\nLogLevelMax=notice\n"
    init.write("good.service", f"{quiet}ExecStart=/bin/true\n")
    init.write("bad.service", f"{quiet}ExecStart=/bin/false\n")
    init.boot()
    init.ctl("start", "good", "bad")
    assert init.journal("good.service") == ""
    assert "failed with result 'exit-code'" in init.journal("bad.service")
