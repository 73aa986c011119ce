# SPDX-License-Identifier: Apache-2.0
"""Log lines as JSON objects on stdout: time, level, msg, then what names the place (hook, binding, queue, task)."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from typing import Any

_LOCK = threading.Lock()


def emit(level: str, message: str, **fields: Any) -> None:
    """Write one line. `level` is debug, info, warn or error; empty fields are left out."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": level,
        "msg": message,
        **{key: value for key, value in fields.items() if value not in ("", None)},
    }
    text = json.dumps(line, ensure_ascii=False) + "\n"
    with _LOCK:
        sys.stdout.write(text)
        sys.stdout.flush()


def emit_output(line: str, **fields: Any) -> None:
    """Log a line that a hook printed; a JSON object brings its own `msg` and `level`."""
    stripped = line.strip()
    if not stripped:
        return
    if stripped.startswith("{"):
        try:
            printed = json.loads(stripped)
        except json.JSONDecodeError:
            printed = {}
        if isinstance(printed, dict) and printed:
            level, message = str(printed.pop("level", "info")), str(printed.pop("msg", ""))
            printed.pop("time", None)
            emit(level, message, **{**printed, **fields})
            return
    emit("info", stripped, **fields)
