# SPDX-License-Identifier: Apache-2.0
"""The box itself: it comes up whole, refuses a second start, and goes without a trace, however it was ended.

Factors: an orderly end, a killed part (every kind of process), a killed `up` (in each of its stages). What is left is
looked for from outside, not only by the box's own words.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from box.down import find_remains
from box.layout import DATA, PREFIX, PYTHON, REPOSITORY, RUN
from box.process import read_records
from box.state import read_state

pytestmark = [pytest.mark.box, pytest.mark.timeout(900)]

STAGES = (
    pytest.param("network", marks=pytest.mark.full),
    pytest.param("registry A", marks=pytest.mark.full),
    pytest.param("etcd and API server", marks=pytest.mark.full),
    "nodes",
    pytest.param("nodes Ready", marks=pytest.mark.full),
    "workloads, and the operator with the module",
)


def box(*words: str) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), "-m", "box", *words]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def look_at_machine() -> dict[str, set[str]]:
    """What the box could leave behind: links and routes, mounts, namespaces, cgroups, folders, processes."""
    ip = [subprocess.run(["ip", "-o", *what], capture_output=True, text=True, check=True).stdout for what in
          (["link"], ["route"])]  # fmt: skip
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    groups = [str(path) for path in Path("/sys/fs/cgroup").rglob(f"{PREFIX}*")]
    namespaces = Path("/run/netns").glob("*") if Path("/run/netns").exists() else []
    return {
        "links": {line.split(":")[1] for line in ip[0].splitlines()},
        "routes": set(ip[1].splitlines()),
        "mounts": {line.split()[4] for line in mounts},
        "namespaces": set(map(str, namespaces)),
        "cgroups": set(groups),
        "folders": {str(path) for path in (RUN, DATA) if path.exists()},
        "forwarding": {Path("/proc/sys/net/ipv4/ip_forward").read_text(encoding="ascii")},
        "processes": set(find_programs()),
    }


def find_programs() -> Iterator[str]:
    """Command lines of programs that only a box runs, in whatever namespace."""
    marks = (str(RUN), "/opt/deckhouse/bin/", "containerd-shim")
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        line = b" ".join(words).decode(errors="replace").strip()
        if any(mark in line for mark in marks) or line.endswith("-m box.platform.systemd"):
            yield line


@pytest.fixture(autouse=True)
def machine() -> Iterator[dict[str, set[str]]]:
    """The machine without a box; it must be so again after each test."""
    state = read_state()
    if state is not None and state.complete and "BOX_TEST_MAY_END_BOX" not in os.environ:
        pytest.fail("a box is up; end it first (python -m box down) or set BOX_TEST_MAY_END_BOX=1")
    box("down")
    before = look_at_machine()
    yield before
    ended = box("down")
    assert ended.returncode == 0, ended.stderr
    after = look_at_machine()
    assert {what: after[what] ^ before[what] for what in before if after[what] != before[what]} == {}
    assert find_remains() == []


def test_it_comes_up_within_a_minute_refuses_a_second_start_and_goes_without_a_trace() -> None:
    begin = time.monotonic()
    up = box("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert time.monotonic() - begin < 60
    assert box("status").returncode == 0
    nodes = box("kubectl", "get", "nodes", "--no-headers").stdout.splitlines()
    assert [line.split()[:2] for line in nodes] == [[name, "Ready"] for name in ("master-0", "worker-0", "worker-1")]
    again = box("up")
    state = read_state()
    assert state is not None
    assert again.returncode != 0
    for said in (str(RUN), str(state.up_pid), state.since):
        assert said in again.stderr
    assert box("status").returncode == 0
    assert box("down").returncode == 0
    assert box("down").returncode == 0


@pytest.mark.full
def test_three_masters_and_five_workers_come_up_within_two_minutes_and_status_tells_their_memory() -> None:
    begin = time.monotonic()
    up = box("up", "--masters", "3", "--workers", "5")
    seconds = time.monotonic() - begin
    assert up.returncode == 0, up.stdout + up.stderr
    nodes = box("kubectl", "get", "nodes", "--no-headers").stdout.splitlines()
    assert [line.split()[1] for line in nodes] == ["Ready"] * 8
    status = box("status")
    print(f"up in {seconds:.1f} s\n{status.stdout}")
    assert status.returncode == 0
    rows = [line.split() for line in status.stdout.splitlines()]
    assert [row[:2] for row in rows if row and row[0] in ("kubelet", "containerd")] in (
        [["kubelet", "8"], ["containerd", "8"]],
        [["containerd", "8"], ["kubelet", "8"]],
    )
    assert seconds < 120


def test_down_removes_what_is_left_when_every_recorded_process_was_killed() -> None:
    assert box("up").returncode == 0
    for record in read_records():
        try:
            os.kill(record.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # the end of `unshare` has ended its node
    assert box("status").returncode == 1


@pytest.mark.full
def test_up_removes_what_a_dead_box_left_and_starts() -> None:
    assert box("up").returncode == 0
    while alive := [record.pid for record in read_records() if Path(f"/proc/{record.pid}/exe").exists()]:
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    up = box("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert box("status").returncode == 0


@pytest.mark.parametrize("stage", STAGES)
def test_down_removes_what_an_up_killed_in_the_middle_left(stage: str) -> None:
    command = [str(PYTHON), "-m", "box", "up"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        for line in up.stdout:
            if line.split("s  ", 1)[1].strip() == f"{stage} ...":
                break
        else:
            pytest.fail(f"`box up` has no stage {stage!r}")
        time.sleep(0.3)
        up.kill()
    assert box("status").returncode == 1


def test_down_ends_an_up_that_is_still_at_work() -> None:
    command = [str(PYTHON), "-m", "box", "up"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        while " nodes ..." not in up.stdout.readline():
            pass
        assert box("down").returncode == 0
        assert up.wait() != 0


@pytest.mark.full
def test_a_program_that_does_not_start_is_named_with_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "operator"
    broken.write_text("#!/bin/sh\necho no such flag >&2\nexit 2\n")
    broken.chmod(0o755)
    up = box("up", "--operator", str(broken))
    assert up.returncode == 1
    assert "operator.log" in up.stderr
    assert "no such flag" in up.stderr
