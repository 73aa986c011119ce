# SPDX-License-Identifier: Apache-2.0
"""Secret `registry-state`: the state, and the conditions that people read (platform.md section 9).

The state is written as JSON, the conditions as plain rows: both are YAML, and both are read without a YAML library,
which would be a sixth of a run with nothing to do.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from d8registry.errors import InvalidObject, StateUnreadable
from d8registry.kube.migrations import migrate
from d8registry.kube.operations import REVISION
from d8registry.kube.platform import decode_secret
from d8registry.kube.state_body import parse_body, parse_time, render_body, render_time
from d8registry.kube.yamltext import dump_rows, load_rows, load_yaml
from d8registry.model.condition import Condition, ConditionStatus, ConditionType
from d8registry.model.state import SCHEMA, State

NAME = "registry-state"
RECOVER = (
    "restore the Secret from a backup (kubectl -n d8-system replace --force -f FILE), or let it be rebuilt from what "
    "nodes and proxy have (kubectl annotate --overwrite moduleconfig registry "
    'registry.deckhouse.io/rebuild="$(date +%s)"); until then nothing is changed, and pulls go on'
)


def parse_state(seen: Mapping[str, Any] | None) -> State | None:
    """Read the state, of this release or an earlier one; None where the Secret or its key is absent.

    Raises StateUnreadable where it cannot be understood, or was written by a newer release.
    """
    try:
        text = decode_secret(seen).get("state") if seen else None
    except InvalidObject as error:
        raise StateUnreadable(f"{error}; {RECOVER}") from error
    if seen is None or text is None:
        return None
    try:
        body = json.loads(text) if text.startswith("{") else load_yaml(text)
        if body["schema"] > SCHEMA:
            raise StateUnreadable(f"Secret d8-system/{NAME} was written by a newer release (schema {body['schema']})")
        return parse_body(migrate(body), int(seen["metadata"]["annotations"][REVISION]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateUnreadable(f"Secret d8-system/{NAME}: key state cannot be read; {RECOVER}") from error


def render_state(state: State) -> str:
    """Render the state as JSON."""
    return json.dumps({"schema": SCHEMA, **render_body(state)}, indent=2, ensure_ascii=False) + "\n"


def parse_conditions(seen: Mapping[str, Any] | None) -> tuple[Condition, ...]:
    """Read the conditions of an earlier run; none where there are none or they cannot be read (they are rebuilt)."""
    try:
        entries = load_rows(decode_secret(seen).get("conditions", "[]")) if seen else []
        return tuple(
            Condition(
                type=ConditionType(entry["type"]),
                status=ConditionStatus(entry["status"]),
                reason=entry["reason"],
                message=entry["message"],
                since=parse_time(entry["lastTransitionTime"]),
                generation=entry["observedGeneration"],
            )
            for entry in entries or []
        )
    except (KeyError, TypeError, ValueError, InvalidObject):
        return ()


def render_conditions(conditions: Sequence[Condition]) -> str:
    """Render the documented list of conditions as YAML."""
    return dump_rows(
        [
            {
                "type": condition.type.value,
                "status": condition.status.value,
                "reason": condition.reason,
                "message": condition.message,
                "lastTransitionTime": render_time(condition.since),
                "observedGeneration": condition.generation,
            }
            for condition in conditions
        ],
    )
