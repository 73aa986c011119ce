# SPDX-License-Identifier: Apache-2.0
"""What a node says of itself (annotation registry.deckhouse.io/node-report)."""

import json
from dataclasses import dataclass
from datetime import datetime

from d8registry.model.cluster import FailureClass, Witness, WitnessResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A report that is there and says nothing that this release understands; `reason` is for people."""

    reason: str


def parse_witness(annotation: str | None) -> Witness | Unreadable | None:
    """Read a report: None where the node has none, Unreadable where it is not one of ours.

    Anyone who may edit a Node can write the annotation, so nothing in it is trusted beyond its form. An unknown
    failure class (of a newer program) is `other`.
    """
    if annotation is None or not annotation.strip():
        return None
    try:
        report = json.loads(annotation)
        if not isinstance(report, dict) or report.get("schema") != 1:
            return Unreadable(reason="the report is not of schema 1")
        return Witness(
            token=str(report["token"]),
            result=WitnessResult(report["result"]),
            failure=_parse_class(str(report.get("class", ""))),
            message=_parse_text(report.get("message")),
            config_path=report.get("configPath") is True,
            custom_config=report.get("customConfig") is True,
            custom_detail=_parse_text(report.get("customDetail")),
            foreign_agent=_parse_text(report.get("foreignAgent")),
            at=datetime.fromisoformat(report["at"]) if report.get("at") else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        return Unreadable(reason=f"the report cannot be read: {type(error).__name__}: {error}")


def _parse_text(value: object) -> str:
    # Node objects are read by many and edited by some: what goes into conditions is one bounded line.
    return " ".join(value.split())[:500] if isinstance(value, str) else ""


def _parse_class(word: str) -> FailureClass:
    try:
        return FailureClass(word)
    except ValueError:
        return FailureClass.OTHER
