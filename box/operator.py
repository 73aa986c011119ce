# SPDX-License-Identifier: Apache-2.0
"""What runs the module's hooks: the box's own runner, or the real addon-operator in its place.

Both get the same folders, arguments and environment, those that addon-operator needs at least.
"""

import http.client
import os
import shutil
import venv
from collections.abc import Callable
from pathlib import Path

from box import core, process
from box.build import Tools
from box.bundle import collect, fetch_wheels, unpack, write_tar
from box.errors import BoxError
from box.layout import CORE, KUBECONFIG, LOGS, PYTHON, REPOSITORY, RUN
from box.network import inside

FOLDER = RUN / "operator"
MODULE = FOLDER / "modules" / "900-registry"
NAME = "operator"
DEBUG_SOCKET = FOLDER / "debug.sock"
READY_PORT = 19650

PYTHON_OF_HOOKS = FOLDER / "python"
"""An interpreter without packages, with a sitecustomize.py as the platform's: hooks find lib/python/dist only."""


def install_module(say: Callable[[str], None], bundle: Path | None = None) -> None:
    """Unpack `bundle`, or one made of the checkout, to where the operator looks for modules."""
    shutil.rmtree(MODULE, ignore_errors=True)
    for folder in (MODULE, FOLDER / "global-hooks", FOLDER / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    (FOLDER / "modules" / "values.yaml").write_text("registryEnabled: true\n", encoding="utf-8")
    if bundle is None:
        bundle = FOLDER / "registry-module.tar"
        write_tar(collect(REPOSITORY, fetch_wheels(say)), bundle)
    unpack(bundle, MODULE)
    _make_python()


def _make_python() -> None:
    venv.create(PYTHON_OF_HOOKS, clear=True, symlinks=True, with_pip=False)
    (packages,) = PYTHON_OF_HOOKS.glob("lib/python3.*/site-packages")
    source = Path(__file__).with_name("hook_sitecustomize.py")
    shutil.copyfile(source, packages / "sitecustomize.py")


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
    folder = FOLDER if program else REPOSITORY  # where `-m box.runner` is found
    return process.start(NAME, core.exec_command(words), environment=_environment(tools), log=log, folder=folder)


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
    folders = [PYTHON_OF_HOOKS / "bin", tools.helm.parent, tools.kubernetes, os.environ.get("PATH", os.defpath)]
    rate = {f"{name}_{what}": str(value) for name in ("KUBE_CLIENT", "OBJECT_PATCHER_KUBE_CLIENT")
            for what, value in (("QPS", 50), ("BURST", 100))}  # fmt: skip
    return {
        **rate,
        "KUBECONFIG": str(KUBECONFIG),
        "DEBUG_UNIX_SOCKET": str(DEBUG_SOCKET),
        "PATH": ":".join(map(str, folders)),
        # What is on the caller's path must not reach hooks: they have what the bundle brings.
        "PYTHONPATH": "",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
