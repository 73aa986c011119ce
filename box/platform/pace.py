# SPDX-License-Identifier: Apache-2.0
"""How slowly the platform's modules follow a new `deckhouse-registry`: seconds in tests, minutes on the platform.

The number lies in a file of the run folder and is read in every round, so it may be changed while a switch runs.
"""

from box.layout import RUN

DEFAULT_SECONDS = 5.0
_FILE = RUN / "takeover-delay"


def write_delay(seconds: float) -> None:
    """Let the last module follow `seconds` after deckhouse is Ready, and the others evenly before it."""
    temporary = _FILE.with_suffix(".tmp")
    temporary.write_text(f"{max(0.0, seconds)}\n", encoding="ascii")
    temporary.rename(_FILE)


def read_delay() -> float:
    """Return the seconds until the last module follows."""
    try:
        return float(_FILE.read_text(encoding="ascii"))
    except FileNotFoundError:
        return DEFAULT_SECONDS


def count_due(since: float | None, delay: float, modules: int) -> int:
    """Say how many of the modules follow `since` seconds after deckhouse was Ready with the present content.

    `since` is None while it is not; modules converge one after another, the last one after `delay` seconds.
    """
    if since is None:
        return 0
    return modules if delay <= 0 else min(modules, int(modules * since / delay))


def is_renewal_due(since: float | None, delay: float) -> bool:
    """Say whether pods that do not follow by themselves are deleted: half the delay after the last module."""
    return since is not None and since >= 1.5 * delay
