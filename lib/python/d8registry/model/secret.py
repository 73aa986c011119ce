# SPDX-License-Identifier: Apache-2.0
"""A string that must not be shown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Secret:
    """A credential: its value is only had by asking for it by name."""

    value: str

    def __repr__(self) -> str:
        return "Secret(…)" if self.value else "Secret()"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self.value)
