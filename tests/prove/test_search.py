# SPDX-License-Identifier: Apache-2.0
"""The search as far as `make test` goes: transitions x a crash after any write x any order of the rest."""

from __future__ import annotations

import pytest

from tests.prove.proof import describe, run_jobs
from tests.prove.short import JOBS

pytestmark = pytest.mark.search


def test_no_order_of_events_breaks_an_invariant_and_every_run_comes_to_an_end() -> None:
    results = run_jobs(JOBS)
    assert [violation for result in results for violation in result.violations] == []
    assert [describe(result) for result in results if not result.is_complete] == []
    assert sum(result.states for result in results) >= 100_000
