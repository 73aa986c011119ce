# SPDX-License-Identifier: Apache-2.0
"""Secret `registry-state`: the state, and the conditions that people read (platform.md section 9).

The state is written as JSON, the conditions as plain rows: both are YAML, and both are read without a YAML library,
which would be a sixth of a run with nothing to do.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from d8registry.errors import InvalidObject, StateUnreadable
from d8registry.kube.migrations import migrate
from d8registry.kube.operations import REVISION
from d8registry.kube.platform import decode_secret
from d8registry.kube.yamltext import dump_rows, load_rows, load_yaml
from d8registry.model.condition import Condition, ConditionStatus, ConditionType
from d8registry.model.endpoint import Credentials, Endpoint, Scheme
from d8registry.model.secret import Secret
from d8registry.model.settings import CheckMode, Mode
from d8registry.model.state import SCHEMA, Generation, Phase, Refusal, State, Step, Switch

NAME = "registry-state"
RECOVER = (
    "restore the Secret from a backup (kubectl -n d8-system replace --force -f FILE); until then nothing is changed, "
    "and pulls go on with what the nodes and the proxy have"
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
        return _parse_body(migrate(body), int(seen["metadata"]["annotations"][REVISION]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateUnreadable(f"Secret d8-system/{NAME}: key state cannot be read; {RECOVER}") from error


def render_state(state: State) -> str:
    """Render the state as JSON; `step` at the top is for people and not read back."""
    switch = state.switch
    body = {
        "schema": SCHEMA,
        "step": switch.step.value if switch else "",
        "current": _render_generation(state.current),
        "switch": _render_switch(switch) if switch else None,
        "refusal": _render_refusal(state.refusal) if state.refusal else None,
        "ownsRealHost": state.owns_real_host,
        "retainedHost": _render_endpoint(state.retained_host) if state.retained_host else None,
        "generations": state.generations,
        "counter": state.counter,
        "epoch": state.epoch,
        "salt": state.salt,
        "requests": dict(state.requests),
        "disabled": _render_time(state.disabled) if state.disabled else None,
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


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
                since=_parse_time(entry["lastTransitionTime"]),
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
                "lastTransitionTime": _render_time(condition.since),
                "observedGeneration": condition.generation,
            }
            for condition in conditions
        ],
    )


def _parse_body(body: Mapping[str, Any], revision: int) -> State:
    return State(
        revision=revision,
        current=_parse_generation(body["current"]),
        switch=_parse_switch(body["switch"]) if body["switch"] else None,
        refusal=_parse_refusal(body["refusal"]) if body["refusal"] else None,
        owns_real_host=body["ownsRealHost"],
        retained_host=_parse_endpoint(body["retainedHost"]) if body["retainedHost"] else None,
        generations=body["generations"],
        counter=body["counter"],
        epoch=body["epoch"],
        salt=body["salt"],
        requests=tuple(sorted((body["requests"] or {}).items())),
        disabled=_parse_time(body["disabled"]) if body.get("disabled") else None,
    )


def _parse_switch(body: Mapping[str, Any]) -> Switch:
    return Switch(
        plan=body["plan"],
        candidate=_parse_generation(body["candidate"]),
        step=Step(body["step"]),
        phase=Phase(body["phase"]),
        started=_parse_time(body["started"]),
        since=_parse_time(body["since"]),
        progressed=_parse_time(body["progressed"]),
        progress=body["progress"],
        canaries=tuple(body["canaries"]),
        in_place=_parse_time(body["inPlace"]) if body["inPlace"] else None,
        keep_host_ca=body["keepHostCA"],
    )


def _render_switch(switch: Switch) -> dict[str, Any]:
    return {
        "plan": switch.plan,
        "candidate": _render_generation(switch.candidate),
        "step": switch.step.value,
        "phase": switch.phase.value,
        "started": _render_time(switch.started),
        "since": _render_time(switch.since),
        "progressed": _render_time(switch.progressed),
        "progress": switch.progress,
        "canaries": list(switch.canaries),
        "inPlace": _render_time(switch.in_place) if switch.in_place else None,
        "keepHostCA": switch.keep_host_ca,
    }


def _parse_refusal(body: Mapping[str, Any]) -> Refusal:
    return Refusal(
        fingerprint=body["fingerprint"], step=Step(body["step"]), reason=body["reason"], message=body["message"]
    )


def _render_refusal(refusal: Refusal) -> dict[str, str]:
    return {
        "fingerprint": refusal.fingerprint,
        "step": refusal.step.value,
        "reason": refusal.reason,
        "message": refusal.message,
    }


def _parse_generation(body: Mapping[str, Any]) -> Generation:
    return Generation(
        number=body["number"],
        mode=Mode(body["mode"]),
        endpoint=_parse_endpoint(body["endpoint"]),
        check_mode=CheckMode(body["checkMode"]),
    )


def _render_generation(generation: Generation) -> dict[str, Any]:
    return {
        "number": generation.number,
        "mode": generation.mode.value,
        "checkMode": generation.check_mode.value,
        "endpoint": _render_endpoint(generation.endpoint),
    }


def _parse_endpoint(body: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        host=body["host"],
        path=body["path"],
        scheme=Scheme(body["scheme"]),
        ca=body["ca"],
        credentials=Credentials(username=body["username"], password=Secret(body["password"])),
    )


def _render_endpoint(endpoint: Endpoint) -> dict[str, str]:
    return {
        "scheme": endpoint.scheme.value,
        "host": endpoint.host,
        "path": endpoint.path,
        "ca": endpoint.ca,
        "username": endpoint.credentials.username,
        "password": endpoint.credentials.password.value,
    }


def _parse_time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _render_time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
