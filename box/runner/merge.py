# SPDX-License-Identifier: Apache-2.0
"""Which neighbours in a queue join one run of a hook, and how a group becomes one context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from box.runner.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRun:
    """A wish to run a hook. `waits` tells whether the module's start waits for it (Synchronization only)."""

    module: str
    hook: str
    contexts: tuple[Context, ...]
    synchronizes: tuple[str, ...] = ()
    waits: bool = False
    allow_failure: bool = False


def take_neighbours(first: HookRun, rest: Sequence[object]) -> tuple[HookRun, int]:
    """Merge `first` with the runs of the same hook that follow it without a gap.

    Answers the merged run and how many of `rest` it swallowed. A Synchronization joins only those that the start
    treats alike.
    """
    contexts, synchronizes = list(first.contexts), list(first.synchronizes)
    taken = 0
    for other in rest:
        if not isinstance(other, HookRun) or (other.module, other.hook) != (first.module, first.hook):
            break
        if first.synchronizes and other.synchronizes and first.waits != other.waits:
            break
        contexts += other.contexts
        synchronizes += other.synchronizes
        taken += 1
    merged = HookRun(
        module=first.module,
        hook=first.hook,
        contexts=compact_groups(contexts),
        synchronizes=tuple(synchronizes),
        waits=first.waits,
        allow_failure=first.allow_failure,
    )
    return merged, taken


def compact_groups(contexts: Sequence[Context]) -> tuple[Context, ...]:
    """Keep the last of neighbouring contexts of one group."""
    kept = [
        context
        for context, following in zip(contexts, [*contexts[1:], None], strict=True)
        if not (context.group and following is not None and following.group == context.group)
    ]
    return tuple(kept)
