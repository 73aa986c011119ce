# SPDX-License-Identifier: Apache-2.0
"""How a failed proof is tried again, and how far sources get more time to answer."""

import email.utils
import socket
import time
from collections.abc import Iterator

import pytest
from d8registry.containerd import build_hosts_folder
from d8registry.model.cluster import FailureClass, WitnessResult
from d8registry.model.endpoint import FIXED_HOST

from tests.support.node_plans import HOSTS, build_source_layout, called, layout, plan, source, witness
from tests.support.scratch_node import ScratchNode

LIMITED = "ctr: unexpected status from HEAD request to https://b/v2/x/manifests/y?ns=z: 429 Too Many Requests\n"
ANSWER = 'time="x" level=debug msg="fetch response received" response.header.retry-after={} response.status="429 T"\n'


def pause(node: ScratchNode) -> float:
    return int((node.keep / "trial").read_text().split("\n")[2]) - time.time()


@pytest.mark.parametrize(
    ("asked", "at_least", "at_most"),
    [("900", 890, 1130), ("7", 0, 12), ("99999999", 3590, 4510), ("date", 580, 760), ("soon", 0, 80), ("", 50, 80)],
)
def test_a_registry_that_limits_is_left_alone_as_long_as_it_asks(
    node: ScratchNode, asked: str, at_least: int, at_most: int
) -> None:
    if asked == "date":
        asked = f'"{email.utils.formatdate(time.time() + 600, usegmt=True)}"'
    (node.ctr / "error").write_text((ANSWER.format(asked) if asked else "") + LIMITED)
    node.publish(plan(1, layout(node)))
    node.run()
    assert witness(node).failure is FailureClass.RATE_LIMITED
    assert at_least <= pause(node) <= at_most


def test_a_clock_that_is_put_back_does_not_make_a_pause_endless(node: ScratchNode) -> None:
    (node.ctr / "error").write_text(LIMITED)
    token = node.publish(plan(1, layout(node)))
    node.run()
    lines = (node.keep / "trial").read_text().split("\n")
    (node.keep / "trial").write_text("\n".join([*lines[:2], str(int(time.time()) + 86400), *lines[3:]]))
    (node.ctr / "error").unlink()
    node.run()
    assert (witness(node).token, witness(node).result) == (token, WitnessResult.APPLIED)


def test_a_try_that_is_cut_off_is_remembered_before_anything_is_asked(node: ScratchNode) -> None:
    (node.ctr / "die").touch()
    node.publish(plan(1, layout(node)))
    node.run()
    assert "the last try was cut off" in (node.keep / "trial").read_text()
    (node.ctr / "die").unlink()
    node.read_calls()
    node.run()
    assert called(node, "ctr") == []


def test_debug_output_neither_decides_the_class_nor_is_told(node: ScratchNode) -> None:
    noise = 'time="x" level=debug msg="do request" url="https://x509:lookup/401 Unauthorized"\n'
    (node.ctr / "error").write_text(noise + "ctr: unexpected status from GET request to https://b/v2/: 503 Busy\n")
    node.publish(plan(1, layout(node)))
    node.run()
    assert witness(node).failure is FailureClass.SERVER
    assert "x509" not in witness(node).message


@pytest.fixture
def far() -> Iterator[str]:
    """An address where nobody takes a connection: its queue is full, so a dial takes its time."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(("milliseconds", "expected"), [(3, "300ms"), (99, "300ms"), (100, "1s"), (800, "1s")])
def test_a_source_that_is_far_away_gets_a_second_to_be_dialled(
    node: ScratchNode, milliseconds: int, expected: str
) -> None:
    sources = [source("registry-b.test"), source("registry-c.test:5000")]
    folder = build_hosts_folder(sources, folder=FIXED_HOST, dial_timeout="300ms")
    wanted = build_source_layout({}, layout(node).proofs)
    node.keep.mkdir(parents=True)
    (node.keep / "dials").write_text(f"registry-b.test:443 {milliseconds}\n")
    node.publish(plan(1, type(wanted)(folders=(folder,), proofs=wanted.proofs)))
    node.run()
    assert f'dial_timeout = "{expected}"' in (node.live / HOSTS).read_text()
    before = (node.live / HOSTS).stat().st_ino
    node.run()
    assert (node.live / HOSTS).stat().st_ino == before


def test_the_proof_measures_the_dial(node: ScratchNode, far: str) -> None:
    node.publish(plan(1, layout(node, address=far)))
    node.run()
    address, took = (node.keep / "dials").read_text().split()
    assert address == far
    assert int(took) < 100


def test_a_source_that_is_reached_by_another_way_only_counts_as_far(node: ScratchNode) -> None:
    node.publish(plan(1, layout(node, address="127.0.0.1:1")))
    node.run()
    assert (node.keep / "dials").read_text() == "127.0.0.1:1 1000\n"


@pytest.mark.parametrize("way", ["link", "file", "folder for hosts.toml", "preferred"])
def test_what_a_user_put_in_the_way_is_left_alone_and_named(node: ScratchNode, way: str) -> None:
    target = node.live / FIXED_HOST
    node.live.mkdir(parents=True)
    if way == "link":
        (node.folder / "elsewhere").mkdir()
        target.symlink_to(node.folder / "elsewhere")
    elif way == "file":
        target.write_text("mine")
    elif way == "preferred":
        target = node.live / "registry.d8-system.svc_5001_"
        target.mkdir()
    else:
        (target / "hosts.toml").mkdir(parents=True)
    before = sorted(node.live.rglob("*"))
    node.publish(plan(1, layout(node)))
    node.run()
    assert witness(node).failure is FailureClass.FOREIGN
    assert str(target) in witness(node).message
    assert sorted(node.live.rglob("*")) == before


def test_a_link_that_a_user_makes_of_our_folder_later_is_not_written_through(node: ScratchNode) -> None:
    node.publish(plan(1, layout(node)))
    node.run()
    mine = node.folder / "mine"
    (node.live / FIXED_HOST).rename(mine)
    (mine / "hosts.toml").write_text("mine")
    (node.live / FIXED_HOST).symlink_to(mine)
    node.run()
    assert (mine / "hosts.toml").read_text() == "mine"
    assert witness(node).failure is FailureClass.FOREIGN
