# SPDX-License-Identifier: Apache-2.0
"""What the ConfigMap says of each module, and which modules are to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from box.runner.usersettings import read_config_map
from box.runner.values import UserConfig, ValuesStore


class Configuration:
    """The user's word on every module; `static` is `values.yaml` of the modules' folder."""

    def __init__(self, stores: Iterable[ValuesStore], static: Mapping[str, Any]) -> None:
        self._stores = {store.module: store for store in stores}
        self._static = static
        self._users = dict.fromkeys(self._stores, UserConfig())

    def is_enabled(self, module: str) -> bool:
        """Say whether a module is to run."""
        enabled = self._users[module].enabled
        return bool(self._static.get(f"{module}Enabled", False)) if enabled is None else enabled

    def take(self, data: Mapping[str, str], *, check: bool = True) -> dict[str, bool]:
        """Take over the ConfigMap; answers the modules that it changed, with whether each was enabled before.

        Raises ValuesError, and takes nothing, when a key cannot be read or, with `check`, when settings are not valid.
        At the start nothing is checked: hooks then see what is there.
        """
        users = {name: read_config_map(data, name, self._users[name]) for name in self._stores}
        before = {name: (self.is_enabled(name), user) for name, user in self._users.items()}
        if check:
            for name, store in self._stores.items():
                store.check_config(users[name].settings)
        self._users = users
        for name, store in self._stores.items():
            store.set_config(users[name])
        return {
            name: was for name, (was, user) in before.items() if user != users[name] or was != self.is_enabled(name)
        }
