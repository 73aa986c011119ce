# SPDX-License-Identifier: Apache-2.0
"""Label and field selectors of hook configurations, as the API's query parameters spell them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from box.runner.errors import ConfigError

_FIELD_OPERATORS = {"=": "=", "==": "=", "Equals": "=", "!=": "!=", "NotEquals": "!="}


def render_label_selector(selector: Mapping[str, Any]) -> str:
    """Turn a `{matchLabels, matchExpressions}` object into the text of `labelSelector=`."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, operator = expression["key"], expression["operator"]
        values = ",".join(sorted(expression.get("values") or []))
        if operator in ("In", "NotIn"):
            if not values:
                raise ConfigError(f"labelSelector is invalid: operator {operator} of '{key}' needs values")
            parts.append(f"{key} {'in' if operator == 'In' else 'notin'} ({values})")
        else:
            parts.append(key if operator == "Exists" else f"!{key}")
    return ",".join(parts)


def render_field_selector(selector: Mapping[str, Any]) -> str:
    """Turn a `{matchExpressions: [{field, operator, value}]}` object into the text of `fieldSelector=`."""
    return ",".join(
        f"{item['field']}{_FIELD_OPERATORS[item['operator']]}{item['value']}"
        for item in selector.get("matchExpressions") or []
    )
