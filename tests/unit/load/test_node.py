# SPDX-License-Identifier: Apache-2.0
"""Which process of a node is its containerd, and what its restart leaves of the pulls that it cut."""

from datetime import UTC, datetime

import pytest

from box.load.node import is_daemon, list_dead_leases


@pytest.mark.parametrize(
    ("arguments", "daemon"),
    [
        (b"/opt/deckhouse/bin/containerd\0", True),
        (b"/opt/deckhouse/bin/containerd\0--version\0", False),
        (b"/opt/deckhouse/bin/containerd\0config\0dump\0", False),
        (b"/opt/deckhouse/bin/containerd-shim-runc-v2\0", False),
        (b"", False),
    ],
)
def test_a_containerd_that_is_asked_for_something_is_not_the_nodes_containerd(arguments: bytes, daemon: bool) -> None:
    assert is_daemon(arguments) is daemon


LEASES = """\
ID CREATED AT LABELS
3a1-sandbox 2026-11-24T10:00:00Z -
100-cut 2026-11-24T10:00:05Z containerd.io/gc.expire=2026-11-25T10:00:05Z
101-cut 2026-11-24T13:00:06+03:00 containerd.io/gc.expire=2026-11-25T10:00:06Z
102-running 2026-11-24T10:00:08Z containerd.io/gc.expire=2026-11-25T10:00:08Z
"""


def test_pulls_from_before_a_restart_have_dead_leases_sandboxes_and_later_pulls_have_not() -> None:
    restarted = datetime(2026, 11, 24, 10, 0, 6, 300_000, UTC)
    assert list_dead_leases(LEASES, restarted) == ("100-cut", "101-cut")
    assert list_dead_leases("ID CREATED AT LABELS\n", restarted) == ()
