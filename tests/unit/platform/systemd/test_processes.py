# SPDX-License-Identifier: Apache-2.0
"""Starting a unit's process beside a loop that watches signals."""

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from box.platform.systemd.process import Launch, start_process


@pytest.fixture
def wakeups() -> Iterator[socket.socket]:
    """What the loop of the stand-in has: handlers, and a descriptor that every signal is written to."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    descriptor = signal.set_wakeup_fd(writing.fileno())
    yield reading
    signal.set_wakeup_fd(descriptor)
    signal.signal(signal.SIGTERM, before)
    reading.close()
    writing.close()


def test_a_signal_right_after_the_start_ends_the_new_process_and_does_not_reach_the_loop(
    wakeups: socket.socket,
) -> None:
    output = os.open(os.devnull, os.O_WRONLY)
    launch = Launch(words=["sleep", "9"], environment={}, working_directory="/", nice=0, umask=0o22, output=output)
    for _ in range(50):
        pid = start_process(launch)
        os.kill(pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
    os.close(output)
    with pytest.raises(BlockingIOError):
        wakeups.recv(1)
