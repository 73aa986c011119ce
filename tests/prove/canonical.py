# SPDX-License-Identifier: Apache-2.0
"""Tell states apart without times, revisions, tokens and history.

Each document is text with holes. What stood in the holes counts only in relation to the holes of all documents of a
world: revisions, token counters and generations by their order, times by the threshold that they have passed, issued
certificates by which of them are equal.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tests.prove.store import World

# Soak, grace for unreachable nodes, deadline of a step: what passes of time is told apart by these only.
THRESHOLDS = (60, 600, 1800)
START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)

_HOLES = re.compile(
    r"(?P<pem>-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----)"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|\+00:00)?)"
    r"|(?P<clock>\b\d\d:\d\d:\d\d\b)"
    r"|\b(?P<counter>\d+)\.(?P<epoch>[0-9a-f]{8})\.(?=[0-9a-f]{12}\b)"
    r"|(?<=node.deckhouse.io/checked\": \")(?P<signed>[^\"]+)"
    r"|(?<=registry.deckhouse.io/checked\": \")(?P<checked>[^\"]+)"
    r"|(?<=checksum/registry-version\": \")(?P<checksum>[0-9a-f]{64})"
    r"|(?<=registry.deckhouse.io/mounted\": \")(?P<mark>[^\"]+)"
    r"|(?<=registry.deckhouse.io/revision\": \")(?P<revision>\d+)"
    r"|(?:(?<=counter\\\":)|(?<=\"counter\": ))(?P<plain>\d+)"
    r"|(?:(?<=epoch\\\":\\\")|(?<=epoch\": \"))(?P<alone>[0-9a-f]{8})"
    r"|(?:(?<=number\": )|(?<=generations\": )|(?<=eneration\\\":\\\"))(?P<number>\d+(?:-\d+)?)"
    r"|(?:(?<=attempt\\\":))(?P<attempt>\d+)",
    re.DOTALL,
)


class Skeleton(NamedTuple):
    """A document with its holes: a hash of the text, and what stood in each kind of hole, in order."""

    weight: int
    has_holes: bool
    revisions: tuple[int, ...]
    counters: tuple[int, ...]
    generations: tuple[int, ...]
    names: tuple[str, ...]
    times: tuple[int, ...]


def skeletonise(key: tuple[str, str, str], body: Any, text: str) -> Skeleton:
    """Take the holes out of one document."""
    if key[0] == "Secret":
        text = _decode(key, body)
    revisions: list[int] = []
    counters: list[int] = []
    generations: list[int] = []
    names: list[str] = []
    times: list[int] = []

    def dig(match: re.Match[str]) -> str:
        kind, found = match.lastgroup, match.group()
        if kind == "time":
            if key[2] not in _TIMELESS:
                times.append(read_seconds(found))
        elif kind == "epoch":
            counters.append(int(match["counter"]))
            names.append(match["epoch"])
        elif kind == "revision":
            revisions.append(int(found))
        elif kind == "plain":
            counters.append(int(found))
        elif kind == "number":
            generations.extend(int(part) for part in found.split("-"))
        elif kind not in ("clock", "attempt", "checksum", "mark"):
            names.append(found)
        return f"<{kind}>"

    bare = f"{key}{_HOLES.sub(dig, text)}"
    weight = int.from_bytes(hashlib.blake2b(bare.encode(), digest_size=16).digest(), "big")
    holes = (tuple(revisions), tuple(counters), tuple(generations), tuple(names), tuple(times))
    return Skeleton(weight, any(holes), *holes)


def _decode(key: tuple[str, str, str], body: Any) -> str:
    """A Secret's text. What is told to people, and the marks of who wrote last, no decision reads."""
    notes = {name: value for name, value in (body["metadata"].get("annotations") or {}).items() if name not in _TOLD}
    body = {**body, "metadata": {**body["metadata"], "annotations": notes}}
    data = {name: base64.b64decode(value).decode() for name, value in (body.get("data") or {}).items()}
    if key[2] == "registry-state":
        for told in ("conditions", "notices", "revoke"):
            data.pop(told, None)
        data["state"] = _HISTORY.sub("", data.get("state", ""))
        text = "\n".join(f"{name}\n{value}" for name, value in sorted(data.items()))
        return text + json.dumps(body["metadata"], sort_keys=True)
    return json.dumps({"data": data, "metadata": body["metadata"]}, sort_keys=True)


_TOLD = ("registry.deckhouse.io/content",)
# When an answer came is told to people; what counts is the question that it answers.
_TIMELESS = ("registry-checks", "registry-evidence")
# When a switch began is history; so is what a refusal said.
_HISTORY = re.compile(r'^ +"(started|message)": ".*"(,?)$', re.MULTILINE)


def build_key(world: World) -> bytes:
    """Name the state that a world is in."""
    revisions: list[int] = []
    counters: list[int] = []
    generations: list[int] = []
    names: list[str] = []
    times: list[int] = []
    holed = world.holed
    for key in sorted(holed):
        _, _, revision, counter, generation, name, time = holed[key].skeleton
        revisions += revision
        counters += counter
        generations += generation
        names += name
        times += time
    seen: dict[str, int] = {}
    whole = (
        world.total,
        _rank(revisions),
        _rank(counters),
        _rank(generations),
        [seen.setdefault(name, len(seen)) for name in names],
        [count_passed(world.now - time) for time in times],
        _are_marks_of_now(world),
    )
    return hashlib.blake2b(repr(whole).encode(), digest_size=12).digest()


def note_mark(mark: str, texts: tuple[Mapping[str, str], ...]) -> None:
    """Remember of which content of the proxy's Secrets a mark on the proxy's pod speaks."""
    _MARKS.setdefault(mark, texts)


def read_mounted(world: World) -> tuple[Mapping[str, str], ...]:
    """What the proxy's Secrets hold."""
    found = (world.look(("Secret", "d8-system", f"{_PROXY}-{name}")) for name in ("tls", "upstream", "users"))
    return tuple(doc.texts if doc is not None else {} for doc in found)


def _are_marks_of_now(world: World) -> tuple[bool, ...]:
    """A mark on a pod is a hash over revisions: it counts only by whether it is of what the Secrets hold now."""
    pods = [pod for pod in world.kind("Pod") if pod.key[2].startswith(_PROXY)]
    marks = [(pod.body["metadata"].get("annotations") or {}).get(_MOUNTED) for pod in pods]
    return tuple(mark is not None and _MARKS.get(mark) == read_mounted(world) for mark in marks)


_PROXY = "registry-incluster-proxy"
_MOUNTED = "registry.deckhouse.io/mounted"
_MARKS: dict[str, tuple[Mapping[str, str], ...]] = {}


def count_passed(age: int) -> int:
    """How many thresholds an age has passed; -1 for what is to come."""
    return -1 if age < 0 else sum(age > threshold for threshold in THRESHOLDS)


def read_seconds(text: str) -> int:
    """Seconds from the start of the world."""
    return int((datetime.fromisoformat(text[:19]).replace(tzinfo=UTC) - START).total_seconds())


def _rank(values: list[int]) -> list[int]:
    order = {value: rank for rank, value in enumerate(sorted(set(values)))}
    return [order[value] for value in values]
