# SPDX-License-Identifier: Apache-2.0
"""Faults of the control plane: the API server away, and etcd put back to what it was.

A snapshot is a copy of etcd's data while etcd stands still, which is what a disk has after a crash. Restoring it takes
the whole cluster back in time, nodes and registries not: as after a disaster on the platform.
"""

import re
import shutil
import signal
import time
from pathlib import Path

from box import api, controlplane, node, platform, process
from box.build import Tools
from box.errors import BoxError
from box.inventory import read_nodes
from box.layout import RUN

_SNAPSHOTS = RUN / "snapshots"
_STANDINS = "platform"


def stop_api() -> None:
    """Kill the API server; nobody in the cluster has an API until it is started again.

    Raises BoxError when it is down already.
    """
    if _find(controlplane.API) is None:
        raise BoxError("the API server is down already; start it again: python -m box api up")
    _end(controlplane.API)


def start_api(tools: Tools) -> None:
    """Start the API server again; raises BoxError when it runs already.

    controller-manager and scheduler start anew: on the platform they lose their lease meanwhile, and end.
    """
    if _find(controlplane.API):
        raise BoxError("the API server runs already; stop it first: python -m box api down")
    controlplane.start_api(tools)
    for each in controlplane.CONTROLLERS:
        _end(each)
    controlplane.start_managers(tools)


def save_snapshot(name: str) -> Path:
    """Save etcd's data under a name, replacing an earlier one of that name; returns its folder."""
    target = _snapshot(name)
    record = _find(controlplane.ETCD)
    if record is None:
        raise BoxError("etcd does not run; start a box: python -m box up")
    shutil.rmtree(target, ignore_errors=True)
    process.send(record, signal.SIGSTOP)
    try:
        shutil.copytree(controlplane.ETCD_DATA, target)
    finally:
        process.send(record, signal.SIGCONT)
    return target


def restore_snapshot(name: str, tools: Tools) -> None:
    """Put the cluster back to a snapshot: etcd, and everything that remembers what etcd said, starts anew.

    Kubelets too, as the documentation of Kubernetes asks for after a restore: their watches are ahead of the new etcd.
    """
    source = _snapshot(name)
    if not source.is_dir():
        known = ", ".join(sorted(path.name for path in _SNAPSHOTS.glob("*"))) or "none"
        raise BoxError(f"there is no snapshot {name}; there are: {known}. Save one: python -m box etcd snapshot {name}")
    for each in (_STANDINS, *controlplane.CONTROLLERS, controlplane.API, controlplane.ETCD):
        _end(each)
    shutil.rmtree(controlplane.ETCD_DATA)
    shutil.copytree(source, controlplane.ETCD_DATA)
    controlplane.start_etcd(tools)
    controlplane.start_api(tools)
    controlplane.start_managers(tools)
    platform.start(tools.images)
    for machine in filter(node.is_running, read_nodes()):
        node.exec(machine.name, ["systemctl", "restart", "kubelet"])


def read_revision() -> int:
    """Return the cluster's present resource version."""
    return int(api.request("GET", "/api/v1/namespaces?limit=1")["metadata"]["resourceVersion"])


def _snapshot(name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise BoxError(f"{name!r} names no snapshot; use letters, digits, dots and dashes")
    return _SNAPSHOTS / name


def _find(name: str) -> process.Record | None:
    return next((each for each in process.read_records() if each.name == name and process.is_alive(each)), None)


def _end(name: str) -> None:
    record = _find(name)
    if record is None:
        return
    process.send(record)
    until = time.monotonic() + 10
    while process.is_alive(record):
        if time.monotonic() > until:
            raise BoxError(f"{name} (pid {record.pid}) does not end after SIGKILL; see `ps -o pid,stat,cmd`")
        time.sleep(0.05)
    process.forget(name)
