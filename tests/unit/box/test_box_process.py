# SPDX-License-Identifier: Apache-2.0
"""Processes known by pid and start time. Factors: alive, ended, a zombie, a pid that is somebody else's now."""

import gc
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from box import process
from box.process import Record


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(["sleep", "60"])
    yield started
    started.kill()
    started.wait()


def record_of(pid: int, shift: int = 0) -> Record:
    started = process.read_start_time(pid)
    assert started is not None
    return Record(name="sleeper", pid=pid, started=started + shift, log="/nowhere")


def test_a_running_process_is_alive_and_ends_by_its_record(sleeper: subprocess.Popen[bytes]) -> None:
    record = record_of(sleeper.pid)
    assert process.is_alive(record)
    assert process.send(record)
    sleeper.wait()
    assert not process.is_alive(record)
    assert not process.send(record)


def test_a_pid_that_was_given_to_another_process_is_never_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    record = record_of(sleeper.pid, shift=-1)
    assert not process.is_alive(record)
    assert not process.send(record)
    assert sleeper.poll() is None


def test_a_zombie_counts_as_ended(sleeper: subprocess.Popen[bytes]) -> None:
    record = record_of(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not process.is_alive(record)


def test_a_name_with_blanks_and_brackets_does_not_confuse_the_start_time(tmp_path: object) -> None:
    odd = subprocess.Popen(["bash", "-c", "printf 'a) R 1 (b' > /proc/$$/comm; read"], stdin=subprocess.PIPE)
    try:
        plain = process.read_start_time(odd.pid)
        own = process.read_start_time(os.getpid())
        assert plain is not None
        assert own is not None
        assert plain >= own
    finally:
        odd.communicate()


def test_a_program_of_the_box_outlives_its_starter_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RECORDS", tmp_path)
    made = process.start("sleeper", ["sleep", "60"], folder=tmp_path, log=tmp_path / "log")
    gc.collect()  # warnings are errors in tests
    assert process.is_alive(made)
    os.kill(made.pid, signal.SIGKILL)
    os.waitpid(made.pid, 0)
