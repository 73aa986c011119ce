# SPDX-License-Identifier: Apache-2.0
"""A hook under a Python that cannot load a compiled library says so, and what helps."""

import json
import subprocess
import sys
from pathlib import Path

from tests.hooks.test_reconcile_process import ENVIRONMENT

HOOK = """
import sys
from importlib.machinery import PathFinder

class Static:
    '''What a static build of Python is like: there is no way to load a shared library.'''
    def find_spec(self, name, path=None, target=None):
        found = PathFinder.find_spec(name, path)
        if found and found.origin and found.origin.endswith(".so") and "site-packages" in found.origin:
            raise ImportError(f"dynamic module loading is not supported: {name}", name=name)

sys.meta_path.insert(0, Static())
from d8registry.adapters.runtime import run_hook

def handle(run):
    import d8registry.adapters.certificates

run_hook({}, handle)
"""


def test_a_python_without_compiled_libraries_is_named_with_what_helps(tmp_path: Path) -> None:
    (tmp_path / "hook.py").write_text(HOOK)
    inputs: dict[str, object] = {"BINDING_CONTEXT_PATH": [{"binding": "onStartup"}], "VALUES_PATH": {}}
    inputs["CONFIG_VALUES_PATH"] = {}
    for name, content in inputs.items():
        (tmp_path / name).write_text(json.dumps(content))
    environment = {**ENVIRONMENT, **{name: str(tmp_path / name) for name in inputs}}
    command = [sys.executable, str(tmp_path / "hook.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("hook.py: library cryptography.hazmat.bindings._rust cannot be loaded by this Python (3.")
    assert line.endswith("install the module's bundle that brings a Python (hooks/venv)")
