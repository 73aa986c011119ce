# SPDX-License-Identifier: Apache-2.0
"""JSON as Go's encoding/json writes it, so that files of hooks are equal byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_TO_ESCAPE = re.compile("[<>&\u2028\u2029]")
_WHOLE_FLOAT_LIMIT = 1e21


def dumps(value: Any) -> str:
    """Write compact JSON with sorted keys, HTML characters escaped, whole floats as integers."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match.group()], text)


def plain(value: Any) -> Any:
    """Return a deep copy in which `1.0` has become `1`, as a decode into float64 and back does."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE_FLOAT_LIMIT:
        return int(value)
    return value
