# SPDX-License-Identifier: Apache-2.0
"""How many nodes have what the node plan of the moment wants of them. Pure."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

REPORT = "registry.deckhouse.io/node-report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Nodes done of all; `open` names the others with what they say."""

    done: int
    total: int
    open: tuple[str, ...] = ()


def read_fleet(plan_secret: Mapping[str, Any] | None, nodes: Iterable[Mapping[str, Any]]) -> Fleet:
    """Compare each Node's witness with the token that Secret registry-node-plan wants of it."""
    plan = _read_plan(plan_secret)
    waiting = []
    names = []
    for node in nodes:
        name = node["metadata"]["name"]
        names.append(name)
        report = json.loads((node["metadata"].get("annotations") or {}).get(REPORT, "{}"))
        if plan is None:
            waiting.append(f"{name}: no node plan yet")
        elif report.get("token") != _find_token(plan, name):
            waiting.append(f"{name}: {'another token' if report else 'no witness yet'}")
        elif report.get("result") != "applied":
            waiting.append(f"{name}: {report.get('result')} {report.get('class')} {report.get('message')}".strip())
    return Fleet(done=len(names) - len(waiting), total=len(names), open=tuple(sorted(waiting)))


def _read_plan(secret: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if secret is None:
        return None
    plan: dict[str, Any] = json.loads(base64.b64decode(secret["data"]["plan"]))
    return plan


def _find_token(plan: Mapping[str, Any], node: str) -> str:
    canaries = plan.get("canaries") or {}
    layout = canaries["layout"] if node in canaries.get("nodes", ()) else plan["default"]
    return str(plan["layouts"][layout]["token"])
