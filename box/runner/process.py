# SPDX-License-Identifier: Apache-2.0
"""Finding hooks and running one: a fresh process, files in, files out.

A hook runs by its shebang with the operator's environment and seven `*_PATH` variables, or with the interpreter of
`hooks/venv` when the module ships one. It gets no signal and no time limit.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from box.runner import log
from box.runner.config import HookConfig, parse_hook_config
from box.runner.errors import ConfigError, HookFailed, PatchError, ValuesError
from box.runner.kubepatch import KubeOperation, parse_kube_operations
from box.runner.values_patch import Operation, parse_values_patch

_SKIPPED_FOLDERS = ("lib", "venv")
_SKIPPED_SUFFIXES = (".yaml", ".json", ".md", ".txt")
_INPUTS = ("BINDING_CONTEXT_PATH", "VALUES_PATH", "CONFIG_VALUES_PATH")
_OUTPUTS = ("METRICS_PATH", "KUBERNETES_PATCH_PATH", "CONFIG_VALUES_JSON_PATCH_PATH", "VALUES_JSON_PATCH_PATH")
_SHOWN_OF_A_BAD_PATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFile:
    """An executable below `hooks/`; `name` is its path in the module, as messages show it."""

    path: Path
    name: str
    command: tuple[str, ...]
    python_home: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookInputs:
    """The texts of the three files that a run reads."""

    contexts: str
    values: str
    config_values: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookOutputs:
    """What a run that exited 0 asks for, read but not applied."""

    metrics: int
    kube: tuple[KubeOperation, ...]
    config_values: tuple[Operation, ...]
    values: tuple[Operation, ...]


def discover_hooks(module: Path) -> tuple[HookFile, ...]:
    """Find the hooks of a module, sorted by path. A file without execute bit is named in a warning."""
    root = module / "hooks"
    interpreter = root / "venv" / "bin" / "python3"
    found: list[HookFile] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS and not name.startswith("."))
        for file in files:
            path = Path(folder) / file
            if path.suffix in _SKIPPED_SUFFIXES or file.startswith("."):
                continue
            name = str(path.relative_to(module))
            if not os.access(path, os.X_OK):
                log.emit("warn", "file is not executable and is not a hook", hook=name)
                continue
            own = path.suffix == ".py" and os.access(interpreter, os.X_OK)
            found.append(
                HookFile(
                    path=path,
                    name=name,
                    command=(str(interpreter), str(path)) if own else (str(path),),
                    python_home=str(root / "venv") if own else "",
                )
            )
    return tuple(sorted(found, key=lambda hook: hook.name))


def load_config(hook: HookFile) -> HookConfig:
    """Run `<hook> --config` and read it. Raises ConfigError."""
    where = f"module hook '{hook.name}' --config invalid"
    environment = {key: value for key, value in _environment(hook).items() if key not in (*_INPUTS, *_OUTPUTS)}
    try:
        done = subprocess.run(
            [*hook.command, "--config"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror} (is the interpreter of the shebang there?)") from error
    if done.returncode:
        for line in done.stderr.splitlines():
            log.emit_output(line, hook=hook.name, output="stderr")
        raise ConfigError(f"{where}: {_exit_text(done.returncode)}")
    try:
        return parse_hook_config(done.stdout)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def run_hook(hook: HookFile, inputs: HookInputs, tmp_dir: Path, fields: dict[str, str]) -> HookOutputs:
    """Run a hook once and read its outputs. Raises HookFailed; `fields` go into its log lines.

    The files are removed afterwards, whatever happened.
    """
    mark = f"{hook.path.stem}-{uuid.uuid4().hex}"
    files = {key: tmp_dir / f"hook-{mark}-{key.removesuffix('_PATH').lower()}" for key in (*_INPUTS, *_OUTPUTS)}
    texts = dict(zip(_INPUTS, (inputs.contexts, inputs.values, inputs.config_values), strict=True))
    try:
        for key, path in files.items():
            path.write_text(texts.get(key, ""), encoding="utf-8")
            path.chmod(0o644)
        _execute(hook, {key: str(path) for key, path in files.items()}, fields)
        return _read_outputs(hook, {key: files[key].read_text(encoding="utf-8") for key in _OUTPUTS})
    finally:
        for path in files.values():
            path.unlink(missing_ok=True)


def describe_bad_patch(hook: str, error: ValuesError) -> str:
    """Word the refusal of a malformed values file as the operator does, cut short: it may hold secrets."""
    return f"module hook '{hook}' failed: got bad json patch for values: {str(error)[:_SHOWN_OF_A_BAD_PATCH]}"


def _read_outputs(hook: HookFile, texts: dict[str, str]) -> HookOutputs:
    try:
        kube = parse_kube_operations(texts["KUBERNETES_PATCH_PATH"])
    except PatchError as error:
        raise HookFailed(f"module hook '{hook.name}' failed: {error}") from error
    try:
        return HookOutputs(
            metrics=sum(1 for line in texts["METRICS_PATH"].splitlines() if line.strip()),
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
            env={**_environment(hook), **paths},
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
        raise HookFailed("".join(lines).strip() or f"{failed}: {_exit_text(code)}")


def _forward(stream: IO[str], output: str, kept: list[str] | None, fields: dict[str, str]) -> None:
    for line in stream:
        if kept is not None:
            kept.append(line)
        log.emit_output(line, output=output, **fields)


def _environment(hook: HookFile) -> dict[str, str]:
    return {**os.environ, "PYTHONHOME": hook.python_home} if hook.python_home else dict(os.environ)


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    words = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated", signal.SIGSEGV: "segmentation fault"}
    return f"signal: {words.get(signal.Signals(-code), signal.Signals(-code).name.lower())}"
