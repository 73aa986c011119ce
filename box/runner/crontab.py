# SPDX-License-Identifier: Apache-2.0
"""Crontabs as robfig/cron v2 reads them: five fields, six with seconds first, or `@every 30s`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from box.runner.errors import ConfigError

_MONTH_WORDS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_WORDS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = {name: index for index, name in enumerate(_MONTH_WORDS, start=1)}
_DAYS = {name: index for index, name in enumerate(_DAY_WORDS)}
_NAMED = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_LIMITS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("seconds", 0, 59, {}),
    ("minutes", 0, 59, {}),
    ("hours", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_SEARCH_DAYS = 5 * 366
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Read a Go duration such as `1m30s`; answers seconds. Raises ConfigError."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ConfigError(f"'{text}' is not a duration such as 5s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crontab:
    """When a schedule binding fires. `every` is a period in seconds and excludes the fields."""

    fields: tuple[frozenset[int], ...] = ()
    any_day_of_month: bool = False
    any_day_of_week: bool = False
    every: float = 0.0

    def next_after(self, moment: datetime) -> datetime:
        """Return the first firing after `moment`, in whole seconds. Raises ConfigError if there is none."""
        if self.every:
            return moment.replace(microsecond=0) + timedelta(seconds=self.every)
        seconds, minutes, hours = (sorted(field) for field in self.fields[:3])
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        for _ in range(_SEARCH_DAYS):
            if self._is_day(day):
                for hour in hours:
                    for minute in minutes:
                        if day.replace(hour=hour, minute=minute, second=seconds[-1]) < start:
                            continue
                        for second in seconds:
                            at = day.replace(hour=hour, minute=minute, second=second)
                            if at >= start:
                                return at
            day += timedelta(days=1)
        raise ConfigError("crontab never fires")

    def _is_day(self, day: datetime) -> bool:
        """Apply cron's rule: both day fields when one is a star, either when both are given."""
        if day.month not in self.fields[4]:
            return False
        of_month = day.day in self.fields[3]
        of_week = (day.isoweekday() % 7) in self.fields[5]
        if self.any_day_of_month or self.any_day_of_week:
            return of_month and of_week
        return of_month or of_week


def parse_crontab(text: str) -> Crontab:
    """Read a crontab. Raises ConfigError naming the field."""
    text = text.strip()
    if text.startswith("@every "):
        period = max(1.0, float(int(parse_duration(text.removeprefix("@every ").strip()))))
        return Crontab(every=period)
    words = _NAMED.get(text, text).split()
    if len(words) == 5:
        words = ["0", *words]
    if len(words) != 6:
        raise ConfigError(f"crontab is invalid: expected 5 or 6 fields, found {len(words)}: {text}")
    fields = tuple(_parse_field(word, *limit) for word, limit in zip(words, _LIMITS, strict=True))
    return Crontab(
        fields=fields,
        any_day_of_month=words[3][0] in "*?",
        any_day_of_week=words[5][0] in "*?",
    )


def _parse_field(word: str, title: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in word.lower().split(","):
        span, _, step_text = part.partition("/")
        step = _number(step_text, title, {}) if step_text else 1
        if span in ("*", "?"):
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, title, names)
            last = _number(end, title, names) if dash else (high if step_text else first)
        if step < 1 or not low <= first <= last <= high:
            raise ConfigError(f"crontab is invalid: {title} '{part}' is outside {low}-{high}")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, title: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not text.isdigit():
        raise ConfigError(f"crontab is invalid: {title} has '{text}'")
    return int(text)
