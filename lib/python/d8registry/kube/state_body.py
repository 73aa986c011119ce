# SPDX-License-Identifier: Apache-2.0
"""The state as a mapping of plain values, as Secret registry-state holds it, and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from d8registry.model.endpoint import Base, Credentials, Endpoint, Scheme
from d8registry.model.secret import Secret
from d8registry.model.settings import CheckMode, Mode
from d8registry.model.state import (
    Generation,
    Hold,
    Phase,
    PullAddress,
    Refusal,
    Standing,
    State,
    Step,
    Switch,
)

JSON = Any


def render_body(state: State) -> dict[str, JSON]:
    """Render everything but the schema and the revision; `step` at the top is for people and not read back."""
    switch = state.switch
    return {
        "step": switch.step.value if switch else "",
        "current": _render_generation(state.current),
        "switch": _render_switch(switch) if switch else None,
        "refusal": _render_refusal(state.refusal),
        "address": _render_address(state.address) if state.address else None,
        "ownsRealHost": state.owns_real_host,
        "retainedHosts": [_render_endpoint(endpoint) for endpoint in state.retained_hosts],
        "leftovers": list(state.leftovers),
        "paused": state.is_paused,
        "travelled": state.is_travelled,
        "generations": state.generations,
        "counter": state.counter,
        "epoch": state.epoch,
        "salt": state.salt,
        "requests": dict(state.requests),
        "disabled": render_time(state.disabled) if state.disabled else None,
    }


def parse_body(body: Mapping[str, JSON], revision: int) -> State:
    """Read what `render_body` wrote; raises KeyError, TypeError or ValueError."""
    return State(
        revision=revision,
        current=_parse_generation(body["current"]),
        switch=_parse_switch(body["switch"]) if body["switch"] else None,
        refusal=_parse_refusal(body["refusal"]),
        address=_parse_address(body["address"]) if body["address"] else None,
        owns_real_host=body["ownsRealHost"],
        retained_hosts=tuple(_parse_endpoint(endpoint) for endpoint in body["retainedHosts"]),
        leftovers=tuple(body["leftovers"]),
        is_paused=body["paused"],
        is_travelled=body["travelled"],
        generations=body["generations"],
        counter=body["counter"],
        epoch=body["epoch"],
        salt=body["salt"],
        requests=tuple(sorted((body["requests"] or {}).items())),
        disabled=parse_time(body["disabled"]) if body["disabled"] else None,
    )


def parse_time(value: JSON) -> datetime:
    """Read a time, which YAML may have read already."""
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def render_time(value: datetime) -> str:
    """Render a time in UTC, whole seconds."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_switch(body: Mapping[str, JSON]) -> Switch:
    return Switch(
        plan=body["plan"],
        candidate=_parse_generation(body["candidate"]),
        step=Step(body["step"]),
        phase=Phase(body["phase"]),
        started=parse_time(body["started"]),
        since=parse_time(body["since"]),
        progressed=parse_time(body["progressed"]),
        progress=body["progress"],
        canaries=tuple(body["canaries"]),
        in_place=parse_time(body["inPlace"]) if body["inPlace"] else None,
        keep_host_ca=body["keepHostCA"],
        old=Standing(body["old"]),
        restarts=tuple(body["restarts"]),
        hold=_parse_hold(body["hold"]) if body["hold"] else None,
        is_return=body["return"],
        failure=_parse_refusal(body["failure"]),
        is_mending=body["mending"],
    )


def _render_switch(switch: Switch) -> dict[str, JSON]:
    return {
        "plan": switch.plan,
        "candidate": _render_generation(switch.candidate),
        "step": switch.step.value,
        "phase": switch.phase.value,
        "started": render_time(switch.started),
        "since": render_time(switch.since),
        "progressed": render_time(switch.progressed),
        "progress": switch.progress,
        "canaries": list(switch.canaries),
        "inPlace": render_time(switch.in_place) if switch.in_place else None,
        "keepHostCA": switch.keep_host_ca,
        "old": switch.old.value,
        "restarts": list(switch.restarts),
        "hold": _render_hold(switch.hold) if switch.hold else None,
        "return": switch.is_return,
        "failure": _render_refusal(switch.failure),
        "mending": switch.is_mending,
    }


def _parse_hold(body: Mapping[str, JSON]) -> Hold:
    return Hold(
        reason=body["reason"], message=body["message"], since=parse_time(body["since"]), is_turned=body["turned"]
    )


def _render_hold(hold: Hold) -> dict[str, JSON]:
    return {
        "reason": hold.reason,
        "message": hold.message,
        "since": render_time(hold.since),
        "turned": hold.is_turned,
    }


def _parse_refusal(body: Mapping[str, JSON] | None) -> Refusal | None:
    if not body:
        return None
    return Refusal(
        fingerprint=body["fingerprint"], step=Step(body["step"]), reason=body["reason"], message=body["message"]
    )


def _render_refusal(refusal: Refusal | None) -> dict[str, str] | None:
    if refusal is None:
        return None
    return {
        "fingerprint": refusal.fingerprint,
        "step": refusal.step.value,
        "reason": refusal.reason,
        "message": refusal.message,
    }


def _parse_generation(body: Mapping[str, JSON]) -> Generation:
    return Generation(
        number=body["number"],
        mode=Mode(body["mode"]),
        endpoint=_parse_endpoint(body["endpoint"]),
        check_mode=CheckMode(body["checkMode"]),
    )


def _render_generation(generation: Generation) -> dict[str, JSON]:
    return {
        "number": generation.number,
        "mode": generation.mode.value,
        "checkMode": generation.check_mode.value,
        "endpoint": _render_endpoint(generation.endpoint),
    }


def _parse_address(body: Mapping[str, JSON]) -> PullAddress:
    return PullAddress(
        base=Base(host=body["host"], path=body["path"]),
        scheme=Scheme(body["scheme"]),
        ca=body["ca"],
        entries=tuple((entry["key"], _parse_credentials(entry)) for entry in body["entries"]),
        former=tuple(_parse_credentials(entry) for entry in body["former"]),
    )


def _render_address(address: PullAddress) -> dict[str, JSON]:
    return {
        "host": address.base.host,
        "path": address.base.path,
        "scheme": address.scheme.value,
        "ca": address.ca,
        "entries": [{"key": key, **_render_credentials(credentials)} for key, credentials in address.entries],
        "former": [_render_credentials(credentials) for credentials in address.former],
    }


def _parse_endpoint(body: Mapping[str, JSON]) -> Endpoint:
    return Endpoint(
        host=body["host"],
        path=body["path"],
        scheme=Scheme(body["scheme"]),
        ca=body["ca"],
        credentials=_parse_credentials(body),
    )


def _render_endpoint(endpoint: Endpoint) -> dict[str, str]:
    return {
        "scheme": endpoint.scheme.value,
        "host": endpoint.host,
        "path": endpoint.path,
        "ca": endpoint.ca,
        **_render_credentials(endpoint.credentials),
    }


def _parse_credentials(body: Mapping[str, JSON]) -> Credentials:
    return Credentials(username=body["username"], password=Secret(body["password"]))


def _render_credentials(credentials: Credentials) -> dict[str, str]:
    return {"username": credentials.username, "password": credentials.password.value}
