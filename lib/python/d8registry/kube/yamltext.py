# SPDX-License-Identifier: Apache-2.0
"""YAML by libyaml where the interpreter has it, and the plain rows that need no library."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

_NONE = "[]\n"


def load_yaml(text: str) -> Any:
    """Parse one document with the safe loader; raises ValueError."""
    import yaml

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {type(error).__name__}") from None


def dump_rows(rows: Iterable[Mapping[str, str | int]]) -> str:
    """Render a list of flat mappings as YAML, one `key: value` a line, every value spelled as in JSON."""
    lines = []
    for row in rows:
        for index, (key, value) in enumerate(row.items()):
            lines.append(f"{'  ' if index else '- '}{key}: {json.dumps(value, ensure_ascii=False)}\n")
    return "".join(lines) or _NONE


def load_rows(text: str) -> list[dict[str, Any]]:
    """Parse what `dump_rows` wrote; what others wrote is parsed as YAML. Raises ValueError."""
    rows: list[dict[str, Any]] = []
    if text == _NONE:
        return rows
    try:
        for line in text.removesuffix("\n").split("\n"):
            if line.startswith("- "):
                rows.append({})
            key, _, value = line[2:].partition(": ")
            rows[-1][key] = json.loads(value)
    except (ValueError, IndexError):
        found = load_yaml(text)
        return found if isinstance(found, list) else []
    return rows
