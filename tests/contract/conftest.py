# SPDX-License-Identifier: Apache-2.0
"""A control plane for the tests marked `box`: one for all of them, on loopback ports; and runners on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.control_plane import control_plane
from tests.support.live_runner import Live, live_runner, wait


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with control_plane(tmp_path_factory.mktemp("control-plane")) as path:
        yield path


@pytest.fixture
def live(tmp_path: Path, kubeconfig: Path) -> Iterator[Live]:
    with live_runner(tmp_path, kubeconfig) as found:
        yield found


@pytest.fixture
def ready(live: Live) -> Live:
    live.start()
    wait(lambda: live.readiness() == 200)
    return live
