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
    """Schema 1 was YAML and knew one transition; what deckhouse-registry held followed from the step."""
    switch = body["switch"]
    retained = body["retainedHost"]
    return {
        **{key: value for key, value in body.items() if key != "retainedHost"},
        "schema": 2,
        "switch": _switch_from_1(switch) if switch else None,
        "address": _address_from_1(body["current"], switch),
        "retainedHosts": [retained] if retained else [],
        "leftovers": [],
        "paused": False,
        "disabled": None,
        "travelled": False,
    }


def _switch_from_1(switch: Body) -> Body:
    phase = "address" if switch["step"] == "CleanUp" else switch["phase"]
    more: Body = {"old": "unknown", "restarts": [], "hold": None, "return": False, "failure": None, "mending": False}
    return {**switch, **more, "plan": "unmanaged-to-direct/2", "phase": phase}


def _address_from_1(current: Body, switch: Body | None) -> Body | None:
    new, old = (switch["candidate"] if switch else current)["endpoint"], current["endpoint"]
    entries = [(_FIXED["host"], new)]
    if switch and switch["step"] in ("SwitchAddress", "PreferNew", "FinaliseNodes"):
        entries.append((old["host"], old))
    elif (switch and switch["step"] != "CleanUp") or (not switch and current["mode"] != "Direct"):
        return None
    return {
        **_FIXED,
        "entries": [{"key": key, "username": end["username"], "password": end["password"]} for key, end in entries],
    }


def _from_2(body: Body) -> Body:
    """Schema 2 did not remember whom copies of the pull secret name while they follow."""
    address = body["address"]
    return {**body, "schema": 3, "address": {**address, "former": []} if address else None}


_FIXED: Body = {"host": "registry.d8-system.svc:5001", "path": "/system/deckhouse", "scheme": "https", "ca": ""}
_MIGRATIONS: Mapping[int, Callable[[Body], Body]] = {1: _from_1, 2: _from_2}
