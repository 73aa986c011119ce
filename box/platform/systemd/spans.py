# SPDX-License-Identifier: Apache-2.0
"""Time spans as systemd.time(7) writes them."""

import re

_SECONDS = {
    "us": 1e-6,
    "usec": 1e-6,
    "ms": 1e-3,
    "msec": 1e-3,
    "": 1.0,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
    "w": 604800.0,
    "week": 604800.0,
    "weeks": 604800.0,
}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)")


def parse_span(text: str) -> float:
    """Seconds in a span such as `5`, `1min 30s`, `500ms` or `infinity`; ValueError when it is none."""
    text = text.strip()
    if text == "infinity":
        return float("inf")
    total, position = 0.0, 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None or part.group(2) not in _SECONDS:
            raise ValueError(f"{text!r} is not a time span")
        total += float(part.group(1)) * _SECONDS[part.group(2)]
        position = part.end()
    if position == 0:
        raise ValueError("an empty text is not a time span")
    return total
