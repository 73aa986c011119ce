# SPDX-License-Identifier: Apache-2.0
"""The values of one module: static, configured, defaulted, patched; and what a hook may change in them.

Patches live as long as the store: they are gone after a restart and after the module was disabled.
"""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from box.runner import gojson
from box.runner.errors import ValuesError, render_errors
from box.runner.openapi import ModuleSchemas, apply_defaults
from box.runner.values_patch import Operation, apply_strict, check_operations, remember, replay

GLOBAL = "global"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserConfig:
    """What the ConfigMap says: None where it says nothing at all (`{}` when only `<module>Enabled` is there)."""

    settings: Mapping[str, Any] | None = None
    globals: Mapping[str, Any] | None = None
    enabled: bool | None = None


class ValuesStore:
    """Values of module `module`; safe between threads."""

    def __init__(self, module: str, schemas: ModuleSchemas, static: Mapping[str, Any] | None = None) -> None:
        self.module = module
        self._schemas = schemas
        self._static = dict(static or {})
        self._config = UserConfig()
        self._patches: tuple[Operation, ...] = ()
        self._lock = threading.RLock()

    def set_config(self, config: UserConfig) -> None:
        """Take new user configuration without checking it."""
        with self._lock:
            self._config = config

    def forget_patches(self) -> None:
        """Drop everything hooks have set: the module was disabled."""
        with self._lock:
            self._patches = ()

    def config_values(self) -> dict[str, Any]:
        """Answer CONFIG_VALUES_PATH: only what the user set, null where nothing was."""
        with self._lock:
            return {GLOBAL: gojson.plain(self._config.globals), self.module: gojson.plain(self._config.settings)}

    def values(self) -> dict[str, Any]:
        """Answer VALUES_PATH: static values, configuration, defaults, then the patches."""
        with self._lock:
            result: dict[str, Any] = gojson.plain(replay(self._base(), self._patches))
            return result

    def checksum(self) -> str:
        """Answer a digest of all values, to see whether something changed."""
        return hashlib.sha256(gojson.dumps(self.values()).encode()).hexdigest()

    def check_config(self, settings: Mapping[str, Any] | None) -> None:
        """Refuse settings that the configuration schema forbids. Raises ValuesError."""
        if problems := self._schemas.config_problems(self.module, dict(settings or {})):
            raise ValuesError(render_errors(["config values are not valid", *problems]))

    def check_for_helm(self) -> None:
        """Refuse values that the chart must not see. Raises ValuesError."""
        section = self.values()[self.module]
        if problems := self._schemas.helm_problems(self.module, section):
            raise ValuesError(render_errors(["check helm values", *problems]))

    def apply_patch(self, hook: str, operations: tuple[Operation, ...]) -> None:
        """Apply what a hook wrote, wholly or not at all. Raises ValuesError with the operator's text."""
        if not operations:
            return
        with self._lock:
            try:
                check_operations(operations, self.module)
                result = apply_strict(self.values(), operations)
            except ValuesError as error:
                raise ValuesError(
                    f"module hook '{hook}': dynamic module values update error: "
                    f"merge module '{self.module}' values failed: {error}"
                ) from error
            if problems := self._schemas.values_problems(self.module, result[self.module]):
                raise ValuesError(render_errors(["cannot apply values patch for module values", *problems]))
            self._patches = remember(self._patches, operations)

    def patched_settings(self, hook: str, operations: tuple[Operation, ...]) -> dict[str, Any]:
        """Answer the user's settings after CONFIG_VALUES_JSON_PATCH_PATH, checked; the caller stores them."""
        with self._lock:
            try:
                check_operations(operations, self.module)
                result = apply_strict(self.config_values(), operations)
            except ValuesError as error:
                raise ValuesError(f"module hook '{hook}': kube module config values update error: {error}") from error
        settings: dict[str, Any] = result[self.module] or {}
        self.check_config(settings)
        return settings

    def _base(self) -> dict[str, Any]:
        section = _merge(self._static.get(self.module) or {}, self._config.settings or {})
        apply_defaults(section, self._schemas.config)
        apply_defaults(section, self._schemas.values)
        return {
            GLOBAL: _merge(self._static.get(GLOBAL) or {}, self._config.globals or {}),
            self.module: section,
        }


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree over another; lists and scalars replace."""
    merged = copy.deepcopy(dict(below))
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged
