#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Move the cluster towards the registry that ModuleConfig deckhouse asks for, one decision a run."""

from d8registry.adapters.idle import is_idle
from d8registry.adapters.runtime import Outputs, Run, run_hook
from d8registry.switching.bindings import build_hook_config


def handle(run: Run) -> Outputs:
    """Read, decide, write."""
    if is_idle(run):
        return Outputs()
    from d8registry.adapters.reconcile import reconcile

    return reconcile(run)


if __name__ == "__main__":
    run_hook(build_hook_config(), handle)
