# SPDX-License-Identifier: Apache-2.0
"""The module's openapi schemas: extension, closing, defaults, validation with the operator's texts.

The schema of values extends the one of the configuration (`x-extend`), and objects that do not say otherwise are
closed, as addon-operator's transformers make them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

LARGEST_INTEGER = 2**53 - 1
_MERGED = ("definitions", "properties", "patternProperties")


class ModuleSchemas:
    """`openapi/config-values.yaml` and `openapi/values.yaml` of one module; an absent file means no check."""

    def __init__(self, config: Mapping[str, Any] | None, values: Mapping[str, Any] | None) -> None:
        self.config = _close(copy.deepcopy(dict(config))) if config else None
        self.values = _close(_extend(copy.deepcopy(dict(values)), config)) if values else None
        self._helm = _with_helm_required(copy.deepcopy(self.values)) if self.values else None

    def config_problems(self, module: str, section: Any) -> list[str]:
        """Validate the user's settings; answers the operator's texts."""
        return _problems(self.config, module, section)

    def values_problems(self, module: str, section: Any) -> list[str]:
        """Validate the values of the module; answers the operator's texts."""
        return _problems(self.values, module, section)

    def helm_problems(self, module: str, section: Any) -> list[str]:
        """Validate the values as the chart gets them (`x-required-for-helm` too)."""
        return _problems(self._helm, module, section)


def load_schemas(folder: Path) -> ModuleSchemas:
    """Read the schemas of a module from its `openapi` folder."""
    documents: list[Any] = []
    for name in ("config-values.yaml", "values.yaml"):
        path = folder / name
        documents.append(yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None)
    return ModuleSchemas(documents[0], documents[1])


def apply_defaults(value: Any, schema: Mapping[str, Any] | None) -> None:
    """Fill absent properties in place with their defaults, also inside objects and lists that are there."""
    if schema is None:
        return
    properties: Mapping[str, Any] = schema.get("properties") or {}
    if isinstance(value, dict):
        for name, inner in properties.items():
            if name not in value and inner.get("default") is not None:
                value[name] = copy.deepcopy(inner["default"])
        for name, item in value.items():
            if name in properties:
                apply_defaults(item, properties[name])
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            apply_defaults(item, schema["items"])


def _extend(schema: dict[str, Any], parent: Mapping[str, Any] | None) -> dict[str, Any]:
    if parent is None or not (schema.get("x-extend") or {}).get("schema"):
        return schema
    for key in _MERGED:
        merged = {**copy.deepcopy(parent.get(key) or {}), **(schema.get(key) or {})}
        if merged:
            schema[key] = merged
    schema["required"] = list(dict.fromkeys([*(parent.get("required") or []), *(schema.get("required") or [])]))
    return schema


def _close(schema: dict[str, Any]) -> dict[str, Any]:
    """Forbid unknown keys at the root and wherever `properties` are listed without a word on others."""
    schema.setdefault("additionalProperties", False)
    for inner in _inner(schema):
        if inner.get("properties"):
            inner.setdefault("additionalProperties", False)
    return schema


def _with_helm_required(schema: dict[str, Any]) -> dict[str, Any]:
    for inner in _inner(schema):
        if extra := inner.get("x-required-for-helm"):
            inner["required"] = list(dict.fromkeys([*(inner.get("required") or []), *extra]))
    return schema


def _inner(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for inner in (schema.get("properties") or {}).values():
        yield from _inner(inner)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _inner(schema[key])


def _problems(schema: Mapping[str, Any] | None, module: str, section: Any) -> list[str]:
    if schema is None:
        return []
    validator = _VALIDATOR(_nullable(schema))
    return sorted({text for error in validator.iter_errors(section) for text in _describe(error, module)})


def _nullable(schema: Any) -> Any:
    """Say `nullable: true` in the words of JSON Schema."""
    if isinstance(schema, dict):
        changed = {key: _nullable(item) for key, item in schema.items()}
        kind = changed.get("type")
        if changed.get("nullable") is True and kind is not None:
            changed["type"] = [*([kind] if isinstance(kind, str) else kind), "null"]
        return changed
    return [_nullable(item) for item in schema] if isinstance(schema, list) else schema


def _is_integer(_checker: object, value: object) -> bool:
    """Accept what survives float64: whole numbers up to 2^53-1, `1.0` too, never a boolean."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return float(value).is_integer() and abs(value) <= LARGEST_INTEGER


_VALIDATOR: type[jsonschema.Draft4Validator] = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft4Validator,
    type_checker=jsonschema.Draft4Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)
_KINDS = ((type(None), "null"), (bool, "boolean"), (str, "string"), (int | float, "number"), (dict, "object"))


def _kind(value: Any) -> str:
    return next((word for kind, word in _KINDS if isinstance(value, kind)), "array")


def _describe(error: jsonschema.ValidationError, module: str) -> Iterator[str]:
    """Word one violation as go-openapi does; values themselves are never shown, they may be secret."""
    where = ".".join([module, *(str(part) for part in error.absolute_path)])
    rule: Any = error.validator_value
    value: Any = error.instance
    schema: Any = error.schema
    match error.validator:
        case "type":
            words = [rule] if isinstance(rule, str) else [word for word in rule if word != "null"]
            yield f'{where} in body must be of type {",".join(words)}: "{_kind(value)}"'
        case "additionalProperties":
            for key in sorted(set(value) - set(schema.get("properties") or {})):
                yield f"{where}.{key} in body is a forbidden property"
        case "required":
            for key in rule:
                if key not in value:
                    yield f"{where}.{key} in body is required"
        case "enum":
            yield f"{where} in body should be one of [{' '.join(str(item) for item in rule)}]"
        case "pattern":
            yield f"{where} in body should match '{rule}'"
        case "oneOf":
            yield f'"{where}" must validate one and only one schema (oneOf). Found none valid'
        case "anyOf":
            yield f'"{where}" must validate at least one schema (anyOf)'
        case "not":
            yield f'"{where}" must not validate the schema (not)'
        case other:
            yield f"{where} in body {_LIMITS.get(str(other), f'breaks the rule {other}: {{}}').format(rule)}"


_LIMITS = {
    "minLength": "should be at least {} chars long",
    "maxLength": "should be at most {} chars long",
    "minItems": "should have at least {} items",
    "maxItems": "should have at most {} items",
    "minimum": "should be greater than or equal to {}",
    "maximum": "should be less than or equal to {}",
    "minProperties": "should have at least {} properties",
    "maxProperties": "should have at most {} properties",
}
