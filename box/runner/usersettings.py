# SPDX-License-Identifier: Apache-2.0
"""The ConfigMap `addon-operator`: keys `<module>`, `<module>Enabled`, `global`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from box.runner.errors import ValuesError
from box.runner.values import GLOBAL, UserConfig


def read_config_map(data: Mapping[str, str], module: str, before: UserConfig) -> UserConfig:
    """Read the ConfigMap's data. A `global` key that was removed keeps its old values, as in the operator.

    Raises ValuesError when a key is not YAML of an object.
    """
    enabled = data.get(f"{module}Enabled", "").strip().strip("\"'").lower()
    settings = _section(data, module)
    if settings is None and enabled:
        settings = {}
    globals_ = _section(data, GLOBAL)
    return UserConfig(
        settings=settings,
        globals=before.globals if globals_ is None else globals_,
        enabled={"true": True, "false": False}.get(enabled),
    )


def _section(data: Mapping[str, str], key: str) -> dict[str, Any] | None:
    if key not in data:
        return None
    try:
        section = yaml.safe_load(data[key])
    except yaml.YAMLError as error:
        raise ValuesError(f"ConfigMap addon-operator: key '{key}' is not YAML") from error
    if section is not None and not isinstance(section, dict):
        raise ValuesError(f"ConfigMap addon-operator: key '{key}' is not an object")
    return section or {}
