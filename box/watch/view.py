# SPDX-License-Identifier: Apache-2.0
"""What Secret registry-state tells an onlooker about the switch."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

STATE_PATH = "/api/v1/namespaces/d8-system/secrets/registry-state"
LAST_STEPS = frozenset({"FinaliseNodes", "CleanUp"})


class Phase(StrEnum):
    """Which base a new pod may name at this moment."""

    OLD = "old"
    BOTH = "both"
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One documented condition, as the Secret's YAML spells it."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchView:
    """One reading of the Secret; everything is empty where the Secret is not there yet."""

    mode: str = ""
    target_mode: str = ""
    step: str = ""
    conditions: tuple[Condition, ...] = ()

    def find(self, kind: str) -> Condition | None:
        """The condition of this type, or None."""
        return next((one for one in self.conditions if one.type == kind), None)

    def is_true(self, kind: str) -> bool:
        """Whether the condition of this type stands at True."""
        found = self.find(kind)
        return found is not None and found.status == "True"


def read_view(secret: Mapping[str, Any] | None) -> SwitchView:
    """Read Secret registry-state (an API object, data in base64; None where it is absent).

    Raises ValueError, naming the key, where the content is not the documented YAML.
    """
    if secret is None:
        return SwitchView()
    data = {key: _decode(key, value) for key, value in (secret.get("data") or {}).items()}
    state = _load(data, "state")
    conditions = _load(data, "conditions")
    state = state if isinstance(state, dict) else {}
    return SwitchView(
        mode=data.get("mode", "").strip(),
        target_mode=data.get("target_mode", "").strip(),
        step=str(state.get("step") or ""),
        conditions=tuple(_read_condition(entry) for entry in conditions or ()),
    )


def choose_phase(view: SwitchView, target: str = "Direct") -> Phase:
    """Say which base is safe to name now (nodes answer both from AddSource to FinaliseNodes)."""
    if view.mode == target and not view.step:
        return Phase.NEW
    if not view.step or not view.is_true("TransitionContainerdConfigReady"):
        return Phase.OLD
    return Phase.NEW if view.step in LAST_STEPS else Phase.BOTH


def is_finished(view: SwitchView, target: str, above: int = -1) -> bool:
    """Whether the switch to `target` has ended well; `above`: the generation of settings that it leads away from.

    Within a mode only the generation tells what is asked for from what was there before.
    """
    ready = view.find("Ready")
    return view.mode == target and ready is not None and ready.status == "True" and ready.generation > above


def describe_hold(view: SwitchView) -> str:
    """Say why nothing is being switched although Ready is not True (refused, invalid, guarded), or the empty text."""
    ready = view.find("Ready")
    if view.step or ready is None or ready.status == "True":
        return ""
    return f"{ready.reason}: {ready.message}"


def describe_wait(view: SwitchView) -> str:
    """What the switch waits for now: the message of the condition that its step works on."""
    for one in view.conditions:
        if one.type not in ("Ready", "ErrTransitionNotSupported") and one.status != "True" and one.reason != "Pending":
            return f"{one.type}: {one.message}"
    ready = view.find("Ready")
    return ready.message if ready is not None and ready.status != "True" else ""


def _decode(key: str, value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"Secret d8-system/registry-state: key {key} is not base64 text: {error}") from error


def _load(data: Mapping[str, str], key: str) -> Any:
    try:
        # libyaml where there is one: this runs several times a second beside the cluster that it watches.
        return yaml.load(data.get(key, ""), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError as error:
        raise ValueError(f"Secret d8-system/registry-state: key {key} is not YAML") from error


def _read_condition(entry: Mapping[str, Any]) -> Condition:
    return Condition(
        type=str(entry.get("type", "")),
        status=str(entry.get("status", "")),
        reason=str(entry.get("reason") or ""),
        message=str(entry.get("message") or ""),
        generation=int(entry.get("observedGeneration") or 0),
    )
