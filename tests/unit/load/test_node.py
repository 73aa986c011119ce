# SPDX-License-Identifier: Apache-2.0
"""Which process of a node is its containerd: a second one for a moment is no restart."""

import pytest

from box.load.node import is_daemon


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
