# SPDX-License-Identifier: Apache-2.0
"""The table of restarts: what each kind of change may restart."""

from dataclasses import replace
from typing import Any

import pytest

from box.judge.allowance import Allowance, Settings, compute_allowance

ALL = Allowance(deckhouse=2, workloads=1, containerd=1)
DIRECT = Settings(mode="Direct", registry="registry-a", path="deckhouse/ee", user="u", password="p")


def settings(**changes: Any) -> Settings:
    return replace(DIRECT, **changes)


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        pytest.param(settings(mode="Unmanaged"), DIRECT, ALL, id="to Direct"),
        pytest.param(DIRECT, settings(mode="Unmanaged"), ALL, id="back"),
        pytest.param(DIRECT, settings(registry="registry-b", path="x"), Allowance(), id="host and path"),
        pytest.param(DIRECT, settings(password="q"), Allowance(deckhouse=2), id="password"),
        pytest.param(DIRECT, settings(user="v", registry="registry-b"), Allowance(deckhouse=2), id="user and host"),
        pytest.param(
            DIRECT, settings(path="deckhouse/se", relax=True), Allowance(deckhouse=1, workloads=1), id="edition"
        ),
        pytest.param(
            DIRECT,
            settings(registry="registry-b", user="v", relax=True),
            Allowance(deckhouse=3, workloads=1),
            id="edition and user",
        ),
        pytest.param(DIRECT, settings(relax=True), Allowance(), id="check mode alone"),
        pytest.param(settings(relax=True), settings(path="x"), Allowance(), id="path, no longer relaxed"),
        pytest.param(DIRECT, DIRECT, Allowance(), id="the same again"),
    ],
)
def test_a_change_may_restart_what_is_documented(before: Settings, after: Settings, allowed: Allowance) -> None:
    assert compute_allowance(before, after) == allowed
