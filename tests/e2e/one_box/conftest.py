# SPDX-License-Identifier: Apache-2.0
"""One box for every test of this folder; each leaves it as it found it.

`worker-1` has containerd 1.7. Files run in alphabetical order: what takes the cluster back in time comes last.
"""

from collections.abc import Iterator

import pytest

from box.state import read_state
from tests.support.box_command import run


@pytest.fixture(scope="package", autouse=True)
def running_box() -> Iterator[None]:
    if read_state() is not None:
        pytest.fail("a box is up; end it first: python -m box down")
    try:
        run("up", "--workers", "2", "--containerd17", "worker-1")
        yield
    finally:
        run("down")
