# SPDX-License-Identifier: Apache-2.0
"""METRICS_PATH: what hooks count and measure, checked, kept, and shown as Prometheus reads it.

Source: the operator's documentation of custom metrics. Operations with a `group` replace what the group held before: a
series that is not named again is gone.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from box.runner import log
from box.runner.errors import MetricsError, render_errors

_KINDS = {"add": "counter", "set": "gauge", "observe": "histogram"}
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricOperation:
    """One line of the file; `action` is add, set, observe or expire."""

    action: str
    name: str = ""
    group: str = ""
    value: float = 0.0
    labels: Labels = ()
    buckets: tuple[float, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Series:
    kind: str
    group: str
    value: float = 0.0
    buckets: tuple[float, ...] = ()
    counts: list[int] = field(default_factory=list)


def parse_metrics(text: str) -> tuple[MetricOperation, ...]:
    """Read a stream of operations. Raises MetricsError: the run has then failed and nothing of it is applied."""
    decoder, position, found = json.JSONDecoder(), 0, []
    stripped = text.strip()
    while position < len(stripped):
        try:
            document, position = decoder.raw_decode(stripped, position)
        except json.JSONDecodeError as error:
            raise MetricsError(f"got bad metrics: {error.msg} at character {error.pos}") from error
        found.append(_read(document))
        while position < len(stripped) and stripped[position].isspace():
            position += 1
    return tuple(found)


def _read(document: Any) -> MetricOperation:
    if not isinstance(document, Mapping):
        raise MetricsError("got bad metrics: an operation is not an object")
    action, value = document.get("action") or "", document.get("value")
    for short in ("set", "add"):
        if not action and document.get(short) is not None:
            action, value = short, document[short]
    name, group = document.get("name") or "", document.get("group") or ""
    if problems := _problems(action, name, group, value, document.get("buckets")):
        raise MetricsError("got bad metrics: " + render_errors(problems))
    labels = {str(key): str(item) for key, item in (document.get("labels") or {}).items()}
    return MetricOperation(
        action=action,
        name=name,
        group=group,
        value=float(value or 0),
        labels=tuple(sorted(labels.items())),
        buckets=tuple(map(float, document.get("buckets") or ())),
    )


def _problems(action: str, name: str, group: str, value: Any, buckets: Any) -> list[str]:
    problems = []
    if action not in {*_KINDS, "expire"}:
        problems.append(f"one of: 'action', 'set' or 'add' is required: {action}")
    if (action == "expire" and not group) or (action == "observe" and group):
        problems.append(f"unsupported action '{action}'")
    if not name and not (group and action == "expire"):
        problems.append(f"'name' is required{' when action is not ' + repr('expire') if group else ''}: {action}")
    if action in _KINDS and (isinstance(value, bool) or not isinstance(value, int | float)):
        problems.append(f"'value' is required for action '{action}'")
    if action == "observe" and not buckets:
        problems.append(f"'buckets' is required for action '{action}'")
    return problems


class MetricStorage:
    """All series of all hooks; safe between threads."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, Labels], _Series] = {}
        self._lock = threading.Lock()

    def apply(self, operations: Iterable[MetricOperation], **labels: str) -> None:
        """Carry out the operations of one run; `labels` (module, hook) are added to the hook's own."""
        with self._lock:
            named: set[tuple[str, Labels]] = set()
            groups: set[str] = set()
            for operation in operations:
                groups |= {operation.group} - {""}
                if operation.action != "expire":
                    key = (operation.name, tuple(sorted({**dict(operation.labels), **labels}.items())))
                    named.add(key)
                    self._apply(key, operation)
            for key in [key for key, series in self._series.items() if series.group in groups and key not in named]:
                del self._series[key]

    def render(self) -> str:
        """Answer what a scrape gets, in Prometheus' text format; a name is shown as the hook gave it."""
        with self._lock:
            lines: list[str] = []
            shown = ""
            for (name, labels), series in sorted(self._series.items(), key=lambda item: item[0]):
                if name != shown:
                    lines += [f"# HELP {name} {name}", f"# TYPE {name} {series.kind}"]
                    shown = name
                lines += [f"{sample} {value}" for sample, value in _samples(name, labels, series)]
        return "".join(f"{line}\n" for line in lines)

    def _apply(self, key: tuple[str, Labels], operation: MetricOperation) -> None:
        kind = _KINDS[operation.action]
        known = {series.kind for (name, _), series in self._series.items() if name == operation.name}
        if known - {kind}:
            log.emit("error", f"metric {operation.name} is a {known.pop()} already, not a {kind}: dropped")
            return
        series = self._series.setdefault(key, _Series(kind=kind, group=operation.group))
        series.group = operation.group
        if kind == "histogram":
            if series.buckets != operation.buckets:
                series.buckets, series.counts = operation.buckets, [0] * (len(operation.buckets) + 1)
            place = next((at for at, top in enumerate(series.buckets) if operation.value <= top), len(series.buckets))
            series.counts[place] += 1
        series.value = operation.value if kind == "gauge" else series.value + operation.value


def _samples(name: str, labels: Labels, series: _Series) -> Iterator[tuple[str, str]]:
    if series.kind != "histogram":
        yield _sample(name, labels), f"{series.value:.15g}"
        return
    for at, top in enumerate([*(f"{top:g}" for top in series.buckets), "+Inf"]):
        yield _sample(f"{name}_bucket", (*labels, ("le", top))), str(sum(series.counts[: at + 1]))
    yield _sample(f"{name}_sum", labels), f"{series.value:.15g}"
    yield _sample(f"{name}_count", labels), str(sum(series.counts))


def _sample(name: str, labels: Labels) -> str:
    return f"{name}{{{','.join(f'{key}={_quote(value)}' for key, value in sorted(labels))}}}"


def _quote(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return f'"{escaped}"'
