# SPDX-License-Identifier: Apache-2.0
"""Run one hook: the operator's files in, one decision, the operator's files out.

Built on the `deckhouse` SDK's readers and writers. What the SDK does wrong is not used: it calls the hook once a
binding context against the initial values (updates get lost), does not escape JSON pointers, patches inside lists and
takes an empty context for success. Every run pays for what it imports, so what only some runs need (pathlib too) is
imported where they need it. Here a process decides once, whatever number of contexts came; values are written
as whole subtrees below `registry.internal`; and they are validated before any output is written, because the operator
carries out kube operations before it refuses values.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from d8registry.errors import ExchangeFailed, RegistryError

JSON = Any
SECTION = "registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one process was given.

    `snapshots`: binding name -> the jq filter results, or whole objects where the binding has no filter. `values`,
    `config_values`: the module's section, {} when nothing is set. `now` is aware, UTC, whole seconds. `bindings`: the
    names of the bindings that woke this run (for a group: the last one merged).
    """

    snapshots: Mapping[str, tuple[JSON, ...]]
    values: Mapping[str, JSON]
    global_values: Mapping[str, JSON]
    config_values: Mapping[str, JSON]
    now: datetime
    bindings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What one process wants done: kube operations in order, and whole subtrees of `registry.internal`.

    `warnings` are lines for the operator's log.
    """

    operations: tuple[Mapping[str, JSON], ...] = ()
    internal: Mapping[str, JSON] | None = None
    warnings: tuple[str, ...] = ()


def run_hook(config: Mapping[str, JSON], handle: Callable[[Run], Outputs]) -> None:
    """Answer `--config`, or call `handle` once and write what it wants.

    Ends the process: 0, or 1 with one human line on standard error.
    """
    if "--config" in sys.argv[1:]:
        print(json.dumps(config))
        return
    try:
        _run(handle)
    except RegistryError as error:
        _fail(str(error))
    except ImportError as error:
        _fail(
            f"library {error.name or error} cannot be loaded by this Python "
            f"({sys.version.split()[0]}, {sys.executable}): "
            "if it loads no compiled libraries, install the module's bundle that brings a Python (hooks/venv)"
        )
    except Exception as error:
        # A defect of ours. Its message may quote what it choked on, a password too: the place says enough.
        import traceback

        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename.rpartition('/')[2]}:{frame.lineno} in {frame.name}"
        _fail(f"defect in the registry module, please report it: {type(error).__name__} at {place}")


def _fail(message: str) -> NoReturn:
    print(f"{sys.argv[0].rpartition('/')[2]}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)


def _run(handle: Callable[[Run], Outputs]) -> None:
    from deckhouse.hook import Output
    from deckhouse.kubernetes import KubeOperationCollector
    from deckhouse.metrics import MetricsCollector
    from deckhouse.module import get_binding_context, get_config, get_values

    try:
        contexts = list(get_binding_context())
        values, config_values = get_values(), get_config()
    except (OSError, ValueError) as error:
        raise ExchangeFailed(f"the operator's input cannot be read: {error}") from error
    if not contexts:
        raise ExchangeFailed("the binding context is empty: is BINDING_CONTEXT_PATH set? hooks are run by the operator")
    run = Run(
        snapshots=_merge_snapshots(contexts),
        values=values.get(SECTION) or {},
        global_values=values.get("global") or {},
        config_values=config_values.get(SECTION) or {},
        now=datetime.now(UTC).replace(microsecond=0),
        bindings=frozenset(context.get("binding", "") for context in contexts),
    )
    outputs = handle(run)
    kube, patches = KubeOperationCollector(), _Payloads(build_values_patch(run.values, outputs.internal or {}))
    if patches.data:
        from d8registry.adapters.schema import find_module_root, validate_values

        validate_values(find_module_root(sys.argv[0]), run.values, outputs.internal or {})
    for operation in outputs.operations:
        kube.collect(dict(operation))
    try:
        Output(MetricsCollector(), kube, patches, _Payloads([]), _Payloads([])).flush()
    except OSError as error:
        raise ExchangeFailed(f"the operator's output cannot be written: {error}") from error
    for warning in outputs.warnings:
        print(json.dumps({"level": "warning", "msg": warning}))


@dataclass(frozen=True, slots=True)
class _Payloads:
    """The shape of the SDK's collectors."""

    data: list[JSON]


def build_values_patch(values: Mapping[str, JSON], internal: Mapping[str, JSON]) -> list[JSON]:
    """Build `add` operations for the subtrees that differ; equality is that of JSON text (True is not 1)."""
    seen = values.get("internal") or {}
    return [
        {"op": "add", "path": f"/{SECTION}/internal/{_escape(key)}", "value": wanted}
        for key, wanted in sorted(internal.items())
        if key not in seen or _dump(seen[key]) != _dump(wanted)
    ]


def _merge_snapshots(contexts: list[JSON]) -> dict[str, tuple[JSON, ...]]:
    merged: dict[str, tuple[JSON, ...]] = {}
    for context in contexts:
        for name, entries in (context.get("snapshots") or {}).items():
            merged[name] = tuple(
                entry["filterResult"] if "filterResult" in entry else entry["object"] for entry in entries or []
            )
    return merged


def _escape(token: str) -> str:
    """Escape one JSON pointer token (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


def _dump(value: JSON) -> str:
    return json.dumps(value, sort_keys=True)
