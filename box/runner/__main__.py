# SPDX-License-Identifier: Apache-2.0
"""Command line of the hook runner: the arguments of addon-operator's `start` and `queue list`."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from box.runner import debug, log
from box.runner.engine import Engine, Options, debug_routes, routes
from box.runner.errors import RunnerError
from box.runner.fuse import Fuse
from box.runner.kubeconfig import connect
from box.runner.metrics import MetricStorage

DEFAULT_SOCKET = "/var/run/addon-operator/debug.socket"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; answers the exit status."""
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.command == "queue":
            path = "/queue/list.json" if parsed.output == "json" else "/queue/list.text"
            sys.stdout.write(debug.ask_unix(Path(parsed.debug_unix_socket), path))
            return 0
        return _start(parsed)
    except RunnerError as error:
        log.emit("error", str(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m box.runner", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="run the module's hooks and chart until stopped")
    start.add_argument("--namespace", required=True)
    start.add_argument("--config-map", required=True)
    start.add_argument("--modules-dir", required=True, type=Path)
    start.add_argument("--global-hooks-dir", required=True, type=Path)
    start.add_argument("--tmp-dir", required=True, type=Path)
    start.add_argument("--prometheus-listen-address", default="127.0.0.1")
    start.add_argument("--prometheus-listen-port", type=int, default=9650)
    queue = commands.add_parser("queue", help="look at the queues of a running runner")
    queue.add_argument("action", choices=["list"])
    socket = os.environ.get("DEBUG_UNIX_SOCKET", DEFAULT_SOCKET)
    queue.add_argument("--debug-unix-socket", default=socket)
    queue.add_argument("--output", "-o", choices=["text", "json"], default="text")
    return parser


def _start(parsed: argparse.Namespace) -> int:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    options = read_options(parsed)
    api = connect(Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config"))
    limited = api.limited(
        qps=float(os.environ.get("OBJECT_PATCHER_KUBE_CLIENT_QPS", "5")),
        burst=int(os.environ.get("OBJECT_PATCHER_KUBE_CLIENT_BURST", "10")),
    )
    patcher = Fuse(limited)
    metrics = MetricStorage()
    engine = Engine(options, api, patcher, metrics)
    debug.serve_tcp(parsed.prometheus_listen_address, parsed.prometheus_listen_port, routes(engine, metrics))
    if socket := os.environ.get("DEBUG_UNIX_SOCKET"):
        debug.serve_unix(Path(socket), debug_routes(engine, patcher))
    log.emit("info", "hook runner starts", modules=sorted(options.modules), folder=str(parsed.modules_dir))
    engine.start()
    stopping.wait()
    log.emit("info", "stopping: no new tasks, running hooks are waited for")
    if not engine.stop():
        log.emit("warn", "a hook is still running and goes on as an orphan; its results are lost")
    log.emit("info", "stopped")
    sys.stdout.flush()
    os._exit(0)


def read_options(parsed: argparse.Namespace) -> Options:
    """Find the modules and the static values. Raises RunnerError naming what is missing."""
    for folder in (parsed.modules_dir, parsed.global_hooks_dir):
        if not folder.is_dir():
            raise RunnerError(f"folder {folder} is missing; create it")
    parsed.tmp_dir.mkdir(parents=True, exist_ok=True)
    folders = [path.resolve() for path in sorted(parsed.modules_dir.iterdir()) if re.fullmatch(r"\d+-.+", path.name)]
    modules = {_camel(folder.name.partition("-")[2]): folder for folder in folders}
    if not modules:
        raise RunnerError(f"{parsed.modules_dir} holds no module; put one there, in a folder such as 900-registry")
    if len(modules) < len(folders):
        raise RunnerError(f"two folders of {parsed.modules_dir} are one module: {', '.join(map(str, folders))}")
    return Options(
        namespace=parsed.namespace,
        config_map=parsed.config_map,
        modules=modules,
        static=_static_values(parsed.modules_dir / "values.yaml", modules),
        tmp_dir=parsed.tmp_dir.resolve(),
    )


def _static_values(shared: Path, modules: Mapping[str, Path]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if shared.exists():
        values = yaml.safe_load(shared.read_text(encoding="utf-8")) or {}
    for name, folder in modules.items():
        own = folder / "values.yaml"
        if own.exists():
            section = yaml.safe_load(own.read_text(encoding="utf-8")) or {}
            values[name] = {**(values.get(name) or {}), **(section.get(name) or {})}
    return values


def _camel(name: str) -> str:
    """Turn a module's name into its key in values: `node-manager` is `nodeManager`."""
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)


if __name__ == "__main__":
    sys.exit(main())
