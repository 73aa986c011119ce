# SPDX-License-Identifier: Apache-2.0
"""Validate values against openapi/ as the operator will: values.yaml extended by config-values.yaml."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d8registry.errors import ExchangeFailed, InvalidValues


def find_module_root(program: str) -> Path:
    """Find the folder with openapi/ above a hook's file; raises ExchangeFailed where there is none."""
    for folder in Path(program).resolve().parents:
        if (folder / "openapi").is_dir():
            return folder
    raise ExchangeFailed(f"no openapi/ folder above {program}: the hook lies outside its module")


def load_schema(root: Path) -> dict[str, Any]:
    """Read openapi/values.yaml of the module at `root`; `x-extend` adds the properties of config-values.yaml."""
    import yaml

    folder = root / "openapi"
    schema: dict[str, Any] = yaml.safe_load((folder / "values.yaml").read_text())
    extend = schema.pop("x-extend", None)
    if extend:
        base = yaml.safe_load((folder / extend["schema"]).read_text())
        schema["properties"] = {**(base.get("properties") or {}), **(schema.get("properties") or {})}
        schema["required"] = sorted({*base.get("required", ()), *schema.get("required", ())})
    return schema


def validate_values(root: Path, values: Mapping[str, Any], internal: Mapping[str, Any]) -> None:
    """Check what the values would be after `internal` is set.

    Raises InvalidValues, naming the key and the rule, never the value.
    """
    import fastjsonschema

    result = json.loads(json.dumps({**values, "internal": {**(values.get("internal") or {}), **internal}}))
    try:
        fastjsonschema.validate(load_schema(root), result, use_default=False)
    except fastjsonschema.JsonSchemaValueException as error:
        where = "/".join(str(part) for part in error.path[1:]) or "(root)"
        raise InvalidValues(f"values break openapi/values.yaml at {where}: rule {error.rule}") from error
