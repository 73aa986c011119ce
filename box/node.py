# SPDX-License-Identifier: Apache-2.0
"""Nodes: each in network, mount, UTS, IPC and PID namespaces of its own, with a stand-in for systemd as process 1.

The end of process 1 ends every process of the node, pods included: the kernel sees to that.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from box import cgroups, process
from box.errors import BoxError
from box.inventory import get_node
from box.layout import LOGS, PYTHON, REPOSITORY, RUN, Node, cache_folder
from box.process import Record

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATH = f"{REPOSITORY}/box/platform/bin:/opt/deckhouse/bin:{SYSTEM_PATH}"


def start_node(node: Node, readonly: Sequence[Path] = ()) -> Record:
    """Start a node from its disk and return the record of its process 1; `readonly` names more folders to show it."""
    cgroups.create(node.namespace)
    plan = RUN / "nodes" / f"{node.name}.json"
    root = RUN / "nodes" / node.name
    root.mkdir(parents=True, exist_ok=True)
    plan.write_text(json.dumps(_plan(node, root, readonly), indent=1), encoding="utf-8")
    # If either of the two, unshare or process 1, is killed, the other goes as well.
    command = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL", "--propagation=private"]
    log = LOGS / f"{node.name}.log"
    environment = {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
    outer = process.start(
        f"{node.name}-unshare",
        [*command, "--", PYTHON, "-m", "box.nodeinit", plan],
        namespace=node.namespace,
        environment=environment,
        log=log,
    )
    return process.record(node.name, _wait_for_child(outer), log)


def find_init(node: Node) -> Record:
    """Return the record of a running node's process 1; raises BoxError when the node is down."""
    for record in process.read_records():
        if record.name == node.name and process.is_alive(record):
            return record
    raise BoxError(
        f"node {node.name} is down; start it: python -m box node up {node.name} (log {LOGS}/{node.name}.log)"
    )


def is_running(node: Node) -> bool:
    """Say whether the node's process 1 lives."""
    return any(record.name == node.name and process.is_alive(record) for record in process.read_records())


def exec_command(name: str, argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` inside all namespaces of a node, with the node's environment."""
    pid = find_init(get_node(name)).pid
    enter = ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--"]
    return [*enter, "/usr/bin/env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", f"BOX_PYTHON={PYTHON}", *argv]


def exec(  # noqa: A001 - the word for it
    name: str, argv: Sequence[str], *, content: str | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command inside a node and return its output as text; `content` is its standard input.

    Raises BoxError when the node is down and, with `check`, when the command fails.
    """
    done = subprocess.run(exec_command(name, argv), input=content, capture_output=True, text=True, check=False)
    if check and done.returncode:
        detail = (done.stderr or done.stdout).strip()
        raise BoxError(f"node {name}: `{' '.join(argv)}` failed with status {done.returncode}: {detail}")
    return done


def _wait_for_child(outer: Record) -> int:
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    while process.is_alive(outer):
        pids = children.read_text(encoding="ascii").split()
        if pids:
            return int(pids[0])
    raise BoxError(f"{outer.name} ended at once; see {outer.log}:\n{process.tail(Path(outer.log))}")


def _plan(node: Node, root: Path, readonly: Sequence[Path]) -> Mapping[str, object]:
    links: dict[str, str] = {}
    shown = [Path("/usr"), REPOSITORY, PYTHON.parent.parent, Path(sys.base_prefix), cache_folder(), *readonly]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            links[str(path)] = str(path.readlink())
        elif path.is_dir():
            shown.append(path)
    folders = {"/root": "0700", "/tmp": "1777", "/run": "0755", "/run/lock": "1777", "/home": "0755", "/mnt": "0755"}  # noqa: S108 - the node's own
    return {
        "hostname": node.name,
        "root": str(root),
        "folders": folders,
        "links": links,
        "writable": {f"/{name}": str(node.disk / name) for name in ("etc", "opt", "var")},
        "readonly": _without_nested(shown),
        "init": [str(PYTHON), "-m", "box.platform.systemd"],
        "environment": {"PATH": PATH, "PYTHONPATH": str(REPOSITORY), "HOME": "/root", "LANG": "C.UTF-8"},
    }


def _without_nested(paths: Sequence[Path]) -> list[str]:
    """Drop paths below another one of the list."""
    resolved = sorted({path.resolve() for path in paths})
    return [str(path) for path in resolved if not any(parent in resolved for parent in path.parents)]
