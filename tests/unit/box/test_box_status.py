# SPDX-License-Identifier: Apache-2.0
"""The tables of `box status`, and what is counted as memory."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from box.memory import measure, measure_kinds, name_kind
from box.overview import Line, Overview
from box.queues import Queue, Task
from box.state import State
from box.status import show_status

STATE = State(up_pid=1, up_started=1, since="2026-11-24T20:00:00+00:00", operator="x", containerd="y", complete=True)


def _overview(*, well: bool = True) -> Overview:
    return Overview(
        nodes=(Line(words=("worker-0", "10.111.0.20", "2", "Ready" if well else "down", "applied", "210"), well=well),),
        registries=(Line(words=("registry-a", "registry-a.box.test", "running", "slow=32768")),),
        queues=(Line(words=("main", "[not markup] idle")),),
        processes=(Line(words=("etcd", "7", "running", "45", "logs/etcd.log")),),
        kinds=(Line(words=("kubelet", "3", "240")),),
        module="mode Direct, Ready",
        memory=1234,
    )


def _show(overview: Overview) -> tuple[bool, str]:
    output = io.StringIO()
    well = show_status(STATE, overview, Console(file=output, width=200, soft_wrap=True))
    return well, output.getvalue()


def test_every_part_of_the_box_has_its_line() -> None:
    well, text = _show(_overview())
    assert well
    assert "1234 MiB" in text
    assert "module: mode Direct, Ready" in text
    for words in (
        "worker-0 10.111.0.20",
        "registry-a registry-a.box.test",
        "slow=32768",
        "etcd 7 running 45",
        "kubelet 3 240",
    ):
        assert words in " ".join(text.split())


def test_a_node_that_is_down_is_not_well_but_a_waiting_queue_is() -> None:
    well, text = _show(_overview(well=False))
    assert not well
    assert "look at worker-0;" in text
    assert "whole" not in text
    queue = Queue(name="main", tasks=(Task(title="HookRun x", failures=2, error="a\nb", retry_in=6.4),))
    assert queue.words == "HookRun x failed 2 times, next in 6 s: a b"
    assert _show(_overview())[0] is True


def test_square_brackets_of_a_message_are_text() -> None:
    assert "[not markup] idle" in _show(_overview())[1]


@pytest.mark.timeout(30)
def test_memory_counts_what_a_process_has_started_too() -> None:
    program = "import subprocess, sys; x = bytearray(60 << 20); subprocess.run(['cat']); print(len(x))"
    outer = ["sh", "-c", f'"{sys.executable}" -c "{program}"; true']
    with subprocess.Popen(outer, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        while measure([process.pid]) < 60:
            assert process.poll() is None
        process.stdin.close()
    assert measure([process.pid]) == 0


@pytest.mark.timeout(30)
def test_memory_is_told_by_the_kind_of_process() -> None:
    program = "import subprocess; x = bytearray(20 << 20); subprocess.run(['cat']); print(len(x))"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        while {share.kind for share in measure_kinds([process.pid])} != {"cat", "python"}:
            assert process.poll() is None
        first = measure_kinds([process.pid])[0]
        process.stdin.close()
    assert (first.kind, first.count, first.size >= 20) == ("python", 1, True)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("/cache/kubelet --config=x", "kubelet"),
        ("/bin/sh -c trap", "sh"),
        ("/venv/bin/python -m box.platform --image-set x", "python box.platform"),
        ("python3 /run/modules/hooks/reconcile.py", "python reconcile.py"),
        ("python3 -u -P -m registry_auth", "python registry_auth"),
    ],
)
def test_a_kind_is_the_program_or_what_python_runs(words: str, kind: str) -> None:
    assert name_kind("\0".join(words.split()).encode() + b"\0") == kind


def test_a_program_that_describes_itself_is_its_first_word() -> None:
    assert name_kind(b"nginx: worker process\0") == "nginx"
