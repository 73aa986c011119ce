# SPDX-License-Identifier: Apache-2.0
"""What runs the module's hooks: the box's own runner, or the real addon-operator in its place.

Both get the same folders, arguments and environment, those that addon-operator needs at least.
"""

import http.client
import os
import shutil
from pathlib import Path

from box import core, process
from box.build import Tools
from box.errors import BoxError
from box.layout import CORE, KUBECONFIG, LOGS, PYTHON, REPOSITORY, RUN
from box.network import inside

FOLDER = RUN / "operator"
MODULE = FOLDER / "modules" / "900-registry"
NAME = "operator"
DEBUG_SOCKET = FOLDER / "debug.sock"
READY_PORT = 19650

SHIPPED = (
    ".helmignore", "Chart.yaml", "docs", "hooks", "lib", "module.yaml", "openapi", "oss.yaml",
    "templates",
)  # fmt: skip
"""Entries of the repository that make the module; the box runs a copy of them."""


def install_module() -> None:
    """Copy the module to where the operator looks for it, replacing an earlier copy."""
    shutil.rmtree(MODULE, ignore_errors=True)
    for folder in (MODULE, FOLDER / "global-hooks", FOLDER / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    (FOLDER / "modules" / "values.yaml").write_text("registryEnabled: true\n", encoding="utf-8")
    unshipped = shutil.ignore_patterns("__pycache__", "*.pyc", "internal")
    for name in SHIPPED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, MODULE / name, ignore=unshipped)
        elif source.is_file():
            shutil.copy2(source, MODULE / name)


def start_operator(tools: Tools, program: Path | None) -> process.Record:
    """Start `program`, or the box's runner when it is None, on the installed module."""
    words: list[str | Path] = [program] if program else [PYTHON, "-m", "box.runner"]
    words.append("start")
    flags: dict[str, str | Path] = {
        "namespace": "d8-system",
        "config-map": "addon-operator",
        "modules-dir": FOLDER / "modules",
        "global-hooks-dir": FOLDER / "global-hooks",
        "tmp-dir": FOLDER / "tmp",
        "prometheus-listen-address": "127.0.0.1",
        "prometheus-listen-port": str(READY_PORT),
    }
    for name, value in flags.items():
        words += [f"--{name}", value]
    log = LOGS / f"{NAME}.log"
    return process.start(NAME, core.exec_command(words), environment=_environment(tools), log=log, folder=FOLDER)


def is_ready() -> bool:
    """Say whether the operator's /readyz answers 200, that is, whether it has installed the module once."""
    try:
        with inside(CORE):
            connection = http.client.HTTPConnection("127.0.0.1", READY_PORT, timeout=5)
            connection.connect()
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException):
        return False
    return status == 200


def find_program(given: Path | None) -> Path | None:
    """Return the operator that the user named, absolute; raises BoxError when it cannot be run."""
    if given is None:
        return None
    if not given.is_file() or not os.access(given, os.X_OK):
        raise BoxError(f"--operator {given} is not an executable file; name a built addon-operator")
    return given.resolve()


def _environment(tools: Tools) -> dict[str, str]:
    folders = [PYTHON.parent, tools.helm.parent, tools.kubernetes, os.environ.get("PATH", os.defpath)]
    rate = {f"{name}_{what}": str(value) for name in ("KUBE_CLIENT", "OBJECT_PATCHER_KUBE_CLIENT")
            for what, value in (("QPS", 50), ("BURST", 100))}  # fmt: skip
    return {
        **rate,
        "KUBECONFIG": str(KUBECONFIG),
        "DEBUG_UNIX_SOCKET": str(DEBUG_SOCKET),
        "PATH": ":".join(map(str, folders)),
        # The module's own packages for hooks, and the repository for the runner.
        "PYTHONPATH": f"{MODULE}/lib/python:{REPOSITORY}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
