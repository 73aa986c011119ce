# SPDX-License-Identifier: Apache-2.0
"""Power cuts and full disks at every point of a round: what is live is old or new, and the next round ends right.

Factors: the point (each command of the program; each page or inode that the disk still has) x the direction (a source
is added, a source goes). `make test` looks at a sample of the points, the full run at each.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from d8registry.model.cluster import WitnessResult
from d8registry.model.endpoint import FIXED_HOST
from d8registry.nodes import Layout

from tests.support.node_plans import HOSTS, build_source_layout, expected_files, layout, plan, source, witness
from tests.support.scratch_node import ScratchNode


def layouts(node: ScratchNode) -> tuple[Layout, Layout]:
    old = layout(node, source("registry-c.test", ca="old\n"))
    new = build_source_layout({FIXED_HOST: [source(), source("registry-c.test", ca="old\n")]}, layout(node).proofs)
    return old, new


def check_live(node: ScratchNode, allowed: tuple[Layout, ...], point: str) -> None:
    live = node.read_live()
    assert live[HOSTS] in {expected_files(wanted)[HOSTS] for wanted in allowed}, point
    for name in {line.split('"')[1] for line in live[HOSTS].split("\n") if line.strip().endswith('.crt",')}:
        assert f"{FIXED_HOST}/{name}" in live, f"{point}: a CA file is missing"


def finish(node: ScratchNode, wanted: Layout, token: str, point: str) -> None:
    # A try that was cut off counts as one: do not wait for the next.
    (node.keep / "trial").unlink(missing_ok=True)
    node.run()
    node.run()
    assert node.read_live() == expected_files(wanted), point
    assert (witness(node).token, witness(node).result) == (token, WitnessResult.APPLIED), point


def cut_at(node: ScratchNode, points: Iterator[int]) -> int:
    """Cut power at each of these commands, until a round gets by without; returns how many cuts there were."""
    node.keep_shims(set())
    old, new = layouts(node)
    node.publish(plan(1, old))
    node.run()
    for number, point in enumerate(points):
        wanted = old if number % 2 else new
        token = node.publish(plan(number + 2, wanted))
        killed = node.run_until(point).returncode != 0
        check_live(node, (old, new), f"cut at command {point}")
        finish(node, wanted, token, f"cut at command {point}")
        if not killed:
            return number
    raise AssertionError("the program runs more commands than were tried")


def test_a_power_cut_leaves_old_or_new_and_the_next_round_ends_right(node: ScratchNode) -> None:
    assert cut_at(node, iter(range(11, 6000, 113))) > 5


@pytest.mark.full
def test_a_power_cut_at_every_single_command(node: ScratchNode) -> None:
    assert cut_at(node, iter(range(1, 6000))) > 500


@pytest.fixture
def disk(node: ScratchNode) -> Iterator["Disk"]:
    if os.geteuid() != 0:
        pytest.skip("a small disk needs root (mount)")
    with Disk(node.root) as disk:
        yield disk


class Disk:
    """The scratch root on a file system of its own, that can be filled to the last page or inode."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> "Disk":
        kept = self.path.with_name("kept")
        self.path.rename(kept)
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "scratch", self.path], check=True)
        subprocess.run(["cp", "-a", f"{kept}/.", self.path], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True)

    def leave(self, kind: str, number: int) -> None:
        """Leave that many pages or inodes free."""
        stat = os.statvfs(self.path)
        if kind == "pages":
            used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
            limit = f"size={used + number * 4096 or 4096}"
        else:
            limit = f"nr_inodes={stat.f_files - stat.f_ffree + number}"
        subprocess.run(["mount", "-o", f"remount,{limit}", self.path], check=True)

    def clear(self) -> None:
        subprocess.run(["mount", "-o", "remount,size=4m,nr_inodes=4000", self.path], check=True)


def fill_at(node: ScratchNode, disk: Disk, kind: str, points: tuple[int, ...]) -> int:
    """Run a round with that much room left; returns how often it was too little."""
    node.keep_shims(set())
    old, new = layouts(node)
    node.publish(plan(1, old))
    node.run()
    short = 0
    for number, room in enumerate(points):
        wanted = old if number % 2 else new
        token = node.publish(plan(number + 2, wanted))
        disk.leave(kind, room)
        node.run()
        point = f"{room} {kind} left"
        check_live(node, (old, new), point)
        short += node.read_live() != expected_files(wanted)
        disk.clear()
        finish(node, wanted, token, point)
    return short


@pytest.mark.parametrize("kind", ["pages", "inodes"])
def test_a_full_disk_changes_nothing_and_room_is_all_that_is_needed(node: ScratchNode, disk: Disk, kind: str) -> None:
    assert fill_at(node, disk, kind, (0, 1, 2, 4, 7, 11, 16)) > 2


@pytest.mark.full
@pytest.mark.parametrize("kind", ["pages", "inodes"])
def test_a_disk_that_fills_at_every_single_write(node: ScratchNode, disk: Disk, kind: str) -> None:
    assert fill_at(node, disk, kind, tuple(range(60))) > 6


def test_a_full_disk_is_reported_as_such(node: ScratchNode, disk: Disk) -> None:
    old, new = layouts(node)
    node.publish(plan(1, old))
    node.run()
    node.publish(plan(2, new))
    # Room for what /run needs, none for a layout: both are one disk here, unlike on a node.
    disk.leave("inodes", 9)
    node.run()
    disk.clear()
    assert (witness(node).result, witness(node).failure.value) == (WitnessResult.FAILING, "disk")
