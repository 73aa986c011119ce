# SPDX-License-Identifier: Apache-2.0
"""YAML by libyaml where the interpreter has it: several times faster, the same text."""

from typing import Any


def load_yaml(text: str) -> Any:
    """Parse one document with the safe loader; raises yaml.YAMLError."""
    import yaml

    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe


def dump_yaml(value: Any, *, sort_keys: bool = False) -> str:
    """Render one document in block style, long lines unbroken; equal values give equal bytes."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(value, Dumper=dumper, sort_keys=sort_keys, width=10**6)
    return text
