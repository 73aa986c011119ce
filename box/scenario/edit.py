# SPDX-License-Identifier: Apache-2.0
"""The edit of ModuleConfig `deckhouse` that starts a switch, as a person writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to switch to: the fields of `spec.settings.registry.direct`."""

    images_repo: str
    username: str
    password: str = field(repr=False)
    ca: str
    scheme: str = "HTTPS"


def build_direct(target: Target) -> dict[str, Any]:
    """The registry section for mode Direct, the password in it."""
    direct = {
        "imagesRepo": target.images_repo,
        "scheme": target.scheme,
        "username": target.username,
        "password": target.password,
        "ca": target.ca,
    }
    return {"mode": "Direct", "direct": {key: value for key, value in direct.items() if value}}


def build_module_config(seen: Mapping[str, Any] | None, registry: Mapping[str, Any]) -> dict[str, Any]:
    """ModuleConfig `deckhouse` with its registry section replaced, all other settings as they are in `seen`."""
    spec = dict((seen or {}).get("spec") or {"version": 1})
    spec["settings"] = {**(spec.get("settings") or {}), "registry": dict(registry)}
    return {
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": "ModuleConfig",
        "metadata": {"name": "deckhouse"},
        "spec": spec,
    }


def render_yaml(document: Mapping[str, Any]) -> str:
    """YAML as a person would write it: long texts as blocks, keys in the given order."""
    return yaml.dump(dict(document), Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=120)


def render_shown(document: Mapping[str, Any]) -> str:
    """The same for eyes: passwords and licences as `…`, a CA by its first and last line."""
    return render_yaml(_redact(document))


def _redact(node: Any) -> Any:
    if not isinstance(node, Mapping):
        return node
    hidden = {}
    for key, value in node.items():
        if key in ("password", "license"):
            hidden[key] = "…"
        elif key == "ca" and isinstance(value, str):
            lines = value.strip().splitlines()
            hidden[key] = "\n".join([lines[0], f"… {len(lines) - 2} lines …", lines[-1], ""]) if lines else ""
        else:
            hidden[key] = _redact(value)
    return hidden


class _Blocks(yaml.SafeDumper):
    """Writes texts of several lines as literal blocks."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _represent_text)
