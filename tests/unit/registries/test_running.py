# SPDX-License-Identifier: Apache-2.0
"""Registries of a box that runs, as far as they need no box."""

import pytest

from box.errors import BoxError
from box.registries import running


def test_a_registry_with_basic_refuses_to_keep_an_old_password_that_it_could_not_keep() -> None:
    with pytest.raises(BoxError, match="registry-a cannot keep an old password"):
        running.change_password("a", keep_old=True)
