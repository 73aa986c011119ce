# SPDX-License-Identifier: Apache-2.0
"""Carry what an earlier release wrote to Secret registry-state over to the present schema, one schema a step.

A migration gets the whole parsed body and gives a new one; it never looks at the cluster. Once released it is not
changed: files of every earlier schema, as those releases wrote them, are kept below tests/golden/state.
"""

from collections.abc import Callable, Mapping
from typing import Any

from d8registry.model.state import SCHEMA

Body = Mapping[str, Any]


def migrate(body: Body) -> Body:
    """Bring `body` to the present schema; raises KeyError for a schema that no release wrote."""
    while body["schema"] != SCHEMA:
        body = _MIGRATIONS[body["schema"]](body)
    return body


def _from_1(body: Body) -> Body:
    """Schema 1 was YAML in block style; schema 2 is written as JSON, which is YAML that a hook reads faster."""
    return {**body, "schema": 2}


_MIGRATIONS: Mapping[int, Callable[[Body], Body]] = {1: _from_1}
