# SPDX-License-Identifier: Apache-2.0
"""What runs the module's hooks: the box's own runner, or the real addon-operator in its place.

Both get the same folders, arguments and environment, those that addon-operator needs at least. Beside the module runs
a small other one, `neighbour`, which can break and then holds queue `main` as any module of the platform may.
"""

import http.client
import json
import os
import shutil
import signal
import time
import venv
from collections.abc import Callable
from pathlib import Path

from box import core, process
from box.build import Tools
from box.bundle import SITECUSTOMIZE, build_bundle, unpack
from box.errors import BoxError
from box.layout import CORE, KUBECONFIG, LOGS, PYTHON, REPOSITORY, RUN
from box.network import inside

FOLDER = RUN / "operator"
MODULE = FOLDER / "modules" / "900-registry"
NAME = "operator"
DEBUG_SOCKET = FOLDER / "debug.sock"
READY_PORT = 19650

_LAUNCH = FOLDER / "launch.json"
_END_LIMIT = 40.0

PYTHON_OF_HOOKS = FOLDER / "python"
"""An interpreter without packages, with a sitecustomize.py as the platform's: hooks find lib/python/dist only."""


def install_module(say: Callable[[str], None], bundle: Path | None = None) -> None:
    """Unpack `bundle`, or one made of the checkout, to where the operator looks for modules."""
    shutil.rmtree(MODULE, ignore_errors=True)
    for folder in (MODULE, FOLDER / "global-hooks", FOLDER / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    enabled = "registryEnabled: true\nneighbourEnabled: true\n"
    (FOLDER / "modules" / "values.yaml").write_text(enabled, encoding="utf-8")
    shutil.copytree(REPOSITORY / "box" / "neighbour", FOLDER / "modules" / "800-neighbour", dirs_exist_ok=True)
    if bundle is None:
        bundle = FOLDER / "registry-module.tar"
        build_bundle(bundle, say)
    unpack(bundle, MODULE)
    _make_python()


def _make_python() -> None:
    venv.create(PYTHON_OF_HOOKS, clear=True, symlinks=True, with_pip=False)
    (packages,) = PYTHON_OF_HOOKS.glob("lib/python3.*/site-packages")
    shutil.copyfile(SITECUSTOMIZE, packages / "sitecustomize.py")


def write_launch(tools: Tools, program: Path | None) -> None:
    """Write down how to start `program`, or the box's runner when it is None: deckhouse's pod does it from then on."""
    words: list[str | Path] = [program] if program else [PYTHON, "-B", "-m", "box.runner"]
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
    folder = FOLDER if program else REPOSITORY  # where `-m box.runner` is found
    launch = {"words": list(map(str, words)), "environment": _environment(tools), "folder": str(folder)}
    temporary = _LAUNCH.with_suffix(".tmp")
    temporary.write_text(json.dumps(launch, indent=1), encoding="utf-8")
    temporary.rename(_LAUNCH)


def is_installed() -> bool:
    """Say whether module and launch are there."""
    return _LAUNCH.exists()


def start_again() -> process.Record:
    """Start the operator as the box was started with it; what an earlier one left in its folder stays there."""
    if find() is not None:
        raise BoxError("the operator runs already; to start it anew: python -m box operator restart")
    try:
        launch = json.loads(_LAUNCH.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BoxError("there is no operator in this box; start a box: python -m box up") from None
    command = core.exec_command(launch["words"])
    log = LOGS / f"{NAME}.log"
    return process.start(NAME, command, environment=launch["environment"], log=log, folder=Path(launch["folder"]))


def find() -> process.Record | None:
    """Return the record of the running operator; None when it is not running."""
    running = [record for record in process.read_records() if record.name == NAME and process.is_alive(record)]
    return running[0] if running else None


def end(number: signal.Signals) -> float:
    """Send a signal and wait until the operator is gone; returns the seconds it took. Raises BoxError.

    On SIGTERM it waits up to 30 s for a running hook; on SIGKILL the hook goes on as an orphan.
    """
    record = find()
    if record is None:
        raise BoxError("the operator is not running; start it: python -m box operator start")
    began = time.monotonic()
    process.send(record, number)
    while process.is_alive(record):
        if time.monotonic() - began > _END_LIMIT:
            raise BoxError(f"the operator (pid {record.pid}) is still there {_END_LIMIT:.0f} s after {number.name}")
        time.sleep(0.05)
    return time.monotonic() - began


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
        "PYTHONDONTWRITEBYTECODE": "",  # each run is a fresh process: what it imports is compiled once
    }
