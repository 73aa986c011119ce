#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The least that a hook on the bare `deckhouse` SDK can do: read its inputs, want nothing."""

from deckhouse import hook


def main(context: hook.Context) -> None:
    """Want nothing."""


if __name__ == "__main__":
    hook.run(main, config="configVersion: v1\nonStartup: 1\n")
