# SPDX-License-Identifier: Apache-2.0
"""The real Helm, from the box's cache."""

import os
import shutil

import pytest

from box.layout import cache_folder


@pytest.fixture(scope="session")
def helm() -> str:
    """Path of helm; CI builds it before these tests, a developer's `make check` does not have to."""
    built = sorted(cache_folder().glob("helm-*/helm"))
    found = os.environ.get("HELM_BIN_PATH") or shutil.which("helm") or (str(built[-1]) if built else "")
    if not found:
        assert not os.environ.get("CI"), "no helm in the cache: run `make build`"
        pytest.skip("no helm: `make build` makes one, or set HELM_BIN_PATH")
    return found
