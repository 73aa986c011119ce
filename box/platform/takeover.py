# SPDX-License-Identifier: Apache-2.0
"""Whether the stand-in for deckhouse-controller has taken `deckhouse-registry` over, from its own pod."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from box.platform.workloads import CHECKSUM


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a takeover is; `since` is seconds from the readiness of a pod with the present content, or None."""

    since: float | None


def compute_progress(pods: Iterable[Mapping[str, Any]], checksum: str, now: datetime) -> Progress:
    """Read the progress from deckhouse's pods: one with the checksum must be Ready, and none without it be left."""
    ready: list[datetime] = []
    for pod in pods:
        if (pod["metadata"].get("annotations") or {}).get(CHECKSUM) != checksum:
            return Progress(since=None)
        for condition in (pod.get("status") or {}).get("conditions") or []:
            if condition["type"] == "Ready" and condition["status"] == "True":
                ready.append(_parse_time(condition["lastTransitionTime"]))
    return Progress(since=(now - max(ready)).total_seconds() if ready else None)


def _parse_time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
