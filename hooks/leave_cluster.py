#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The module is disabled: freeze in Direct, leave the nodes in Unmanaged."""

from d8registry.adapters.runtime import Outputs, Run, run_hook
from d8registry.switching.bindings import build_leaving_config


def handle(run: Run) -> Outputs:
    """Mark the state before the release goes, act on it afterwards."""
    from d8registry.adapters.leaving import leave

    return leave(run)


if __name__ == "__main__":
    run_hook(build_leaving_config(), handle)
