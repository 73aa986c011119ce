# SPDX-License-Identifier: Apache-2.0
"""The hooks of a module: which files they are, how they are called, what they answer to `--config`.

A hook runs by its shebang with the operator's environment and seven `*_PATH` variables, or with the interpreter of
`hooks/venv` when the module ships one.
"""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from box.runner import log
from box.runner.config import HookConfig, parse_hook_config
from box.runner.errors import ConfigError

INPUTS = ("BINDING_CONTEXT_PATH", "VALUES_PATH", "CONFIG_VALUES_PATH")
OUTPUTS = ("METRICS_PATH", "KUBERNETES_PATCH_PATH", "CONFIG_VALUES_JSON_PATCH_PATH", "VALUES_JSON_PATCH_PATH")
_SKIPPED_FOLDERS = ("lib", "venv")
_SKIPPED_SUFFIXES = (".yaml", ".json", ".md", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFile:
    """An executable below `hooks/`; `name` is its path in the module, as messages show it."""

    path: Path
    name: str
    command: tuple[str, ...]
    python_home: str = ""


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
    environment = {key: value for key, value in hook_environment(hook).items() if key not in (*INPUTS, *OUTPUTS)}
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
        raise ConfigError(f"{where}: {exit_text(done.returncode)}")
    try:
        return parse_hook_config(done.stdout)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def hook_environment(hook: HookFile) -> dict[str, str]:
    """Answer the operator's environment, with PYTHONHOME for an interpreter of the module's own."""
    return {**os.environ, "PYTHONHOME": hook.python_home} if hook.python_home else dict(os.environ)


def exit_text(code: int) -> str:
    """Word an exit status, or the signal of a negative one, as the operator does."""
    if code >= 0:
        return f"exit status {code}"
    words = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated", signal.SIGSEGV: "segmentation fault"}
    return f"signal: {words.get(signal.Signals(-code), signal.Signals(-code).name.lower())}"
