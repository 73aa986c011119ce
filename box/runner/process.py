# SPDX-License-Identifier: Apache-2.0
"""One run of a hook: a fresh process without a time limit or a signal, files in, files out."""

from __future__ import annotations

import subprocess
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from box.runner import log
from box.runner.errors import HookFailed, MetricsError, PatchError, ValuesError
from box.runner.hookfiles import INPUTS, OUTPUTS, HookFile, exit_text, hook_environment
from box.runner.kubeoperations import KubeOperation, parse_kube_operations
from box.runner.metrics import MetricOperation, parse_metrics
from box.runner.values_patch import Operation, parse_values_patch

_SHOWN_OF_A_BAD_PATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HookInputs:
    """The texts of the three files that a run reads."""

    contexts: str
    values: str
    config_values: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookOutputs:
    """What a run that exited 0 asks for, read but not applied."""

    metrics: tuple[MetricOperation, ...]
    kube: tuple[KubeOperation, ...]
    config_values: tuple[Operation, ...]
    values: tuple[Operation, ...]


def run_hook(hook: HookFile, inputs: HookInputs, tmp_dir: Path, fields: dict[str, str]) -> HookOutputs:
    """Run a hook once and read its outputs. Raises HookFailed; `fields` go into its log lines.

    The files are removed afterwards, whatever happened.
    """
    mark = f"{hook.path.stem}-{uuid.uuid4().hex}"
    files = {key: tmp_dir / f"hook-{mark}-{key.removesuffix('_PATH').lower()}" for key in (*INPUTS, *OUTPUTS)}
    texts = dict(zip(INPUTS, (inputs.contexts, inputs.values, inputs.config_values), strict=True))
    try:
        for key, path in files.items():
            path.write_text(texts.get(key, ""), encoding="utf-8")
            path.chmod(0o644)
        _execute(hook, {key: str(path) for key, path in files.items()}, fields)
        return _read_outputs(hook, {key: files[key].read_text(encoding="utf-8") for key in OUTPUTS})
    finally:
        for path in files.values():
            path.unlink(missing_ok=True)


def describe_bad_patch(hook: str, error: ValuesError) -> str:
    """Word the refusal of a malformed values file as the operator does, cut short: it may hold secrets."""
    return f"module hook '{hook}' failed: got bad json patch for values: {str(error)[:_SHOWN_OF_A_BAD_PATCH]}"


def _read_outputs(hook: HookFile, texts: dict[str, str]) -> HookOutputs:
    try:
        metrics = parse_metrics(texts["METRICS_PATH"])
        kube = parse_kube_operations(texts["KUBERNETES_PATCH_PATH"])
    except (MetricsError, PatchError) as error:
        raise HookFailed(f"module hook '{hook.name}' failed: {error}") from error
    try:
        return HookOutputs(
            metrics=metrics,
            kube=kube,
            config_values=parse_values_patch(texts["CONFIG_VALUES_JSON_PATCH_PATH"]),
            values=parse_values_patch(texts["VALUES_JSON_PATCH_PATH"]),
        )
    except ValuesError as error:
        raise HookFailed(describe_bad_patch(hook.name, error)) from error


def _execute(hook: HookFile, paths: dict[str, str], fields: dict[str, str]) -> None:
    failed = f"module hook '{hook.name}' failed: cmd run"
    try:
        process = subprocess.Popen(
            hook.command,
            env={**hook_environment(hook), **paths},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise HookFailed(f"{failed}: {error.strerror}") from error
    lines: list[str] = []
    with process:
        readers = [
            threading.Thread(target=_forward, args=(process.stdout, "stdout", None, fields), daemon=True),
            threading.Thread(target=_forward, args=(process.stderr, "stderr", lines, fields), daemon=True),
        ]
        for reader in readers:
            reader.start()
        code = process.wait()
        for reader in readers:
            reader.join()
    if code:
        raise HookFailed("".join(lines).strip() or f"{failed}: {exit_text(code)}")


def _forward(stream: IO[str], output: str, kept: list[str] | None, fields: dict[str, str]) -> None:
    for line in stream:
        if kept is not None:
            kept.append(line)
        log.emit_output(line, output=output, **fields)
