# SPDX-License-Identifier: Apache-2.0
"""Run a hook file as the operator does: a process of its own, files in, files out."""

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jq

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = ("METRICS_PATH", "KUBERNETES_PATCH_PATH", "VALUES_JSON_PATCH_PATH", "CONFIG_VALUES_JSON_PATCH_PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookProcess:
    """How a hook ended, and what it wants done."""

    status: int
    stdout: str
    stderr: str
    operations: tuple[dict[str, Any], ...] = ()
    values_patch: tuple[dict[str, Any], ...] = ()


def build_group_context(snapshots: Mapping[str, Sequence[Any]], name: str = "asked") -> str:
    """Build the text of BINDING_CONTEXT_PATH for a run of group `main`; `snapshots` hold filter results."""
    entries = {key: [{"filterResult": result} for result in results] for key, results in sorted(snapshots.items())}
    context = {"binding": name, "groupName": "main", "snapshots": entries, "type": "Group"}
    return json.dumps([context], separators=(",", ":"), sort_keys=True)


def run_hook_file(
    name: str,
    contexts: str,
    *,
    values: Mapping[str, Any] | None = None,
    config_values: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    interpreter_arguments: Sequence[str] = (),
) -> HookProcess:
    """Run hooks/<name> with the operator's files; nothing of the test's own environment but PATH is handed on."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = {
            "BINDING_CONTEXT_PATH": contexts,
            "VALUES_PATH": json.dumps(values or {"global": {}, "registry": {}}),
            "CONFIG_VALUES_PATH": json.dumps(config_values or {"global": None, "registry": None}),
        }
        paths = {key: Path(folder, key.lower()) for key in (*inputs, *OUTPUTS)}
        for key, path in paths.items():
            path.write_text(inputs.get(key, ""))
        process = subprocess.run(
            [sys.executable, *interpreter_arguments, ROOT / "hooks" / name, *arguments],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT / "lib/python"),
                **{key: str(path) for key, path in paths.items()},
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return HookProcess(
            status=process.returncode,
            stdout=process.stdout,
            stderr=process.stderr,
            operations=_read_lines(paths["KUBERNETES_PATCH_PATH"]),
            values_patch=_read_lines(paths["VALUES_JSON_PATCH_PATH"]),
        )


def build_secret(data: Mapping[str, str], revision: int = 1) -> dict[str, Any]:
    """Build what a binding's filter gives of a Secret of ours."""
    return {
        "metadata": {"name": "any", "annotations": {"registry.deckhouse.io/revision": str(revision)}},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def apply_secret_operation(operation: Mapping[str, Any], seen: Mapping[str, Any] | None) -> dict[str, Any]:
    """Carry out one operation on a Secret as the operator would; gives the object afterwards."""
    if operation["operation"] == "CreateIfNotExists":
        assert seen is None
        return dict(operation["object"])
    assert operation["operation"] == "JQPatch"
    patched: dict[str, Any] = jq.compile(operation["jqFilter"]).input_value(seen).first()
    return patched


def read_secret(secret: Mapping[str, Any], key: str) -> Any:
    """Decode the JSON under one key of a Secret."""
    return json.loads(base64.b64decode(secret["data"][key]))


def _read_lines(path: Path) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in path.read_text().splitlines() if line.strip())
