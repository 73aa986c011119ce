# SPDX-License-Identifier: Apache-2.0
"""The scratch node, with an API server that is strict about what it is asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scratch_node import ScratchNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ScratchNode]:
    scratch = ScratchNode(folder=tmp_path)
    yield scratch
    scratch.close()
    assert scratch.api.surprises == []
