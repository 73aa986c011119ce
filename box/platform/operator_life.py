# SPDX-License-Identifier: Apache-2.0
"""The operator's life inside the pod of Deployment `deckhouse`.

On the platform the operator *is* that pod's process. Here it runs beside the pod, since the pod's image holds no
Python, but lives and dies with the pod's container: it starts when the container runs, the pod is Ready only when the
operator says so, and the moment the container's first process is gone the operator and every hook of it are killed
(SIGKILL), as the kernel does with the processes of a container. No API is asked for the latter: a file descriptor of
that process tells.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from box import cgroups, operator, process
from box.errors import BoxError
from box.platform.kube import fetch_all
from box.platform.registry_secret import NAMESPACE
from box.platform.workloads import READY_FILE
from box.runner.kubeapi import KubeApi

_END_SECONDS = 5.0


class OperatorLife:
    """Ties the operator to the running container of deckhouse, one level-triggered round at a time."""

    def __init__(self, kube: KubeApi, prepare: Callable[[], None], log: Callable[[str], None]) -> None:
        """`prepare` writes what the operator reads at its start."""
        self._kube = kube
        self._prepare = prepare
        self._log = log
        self._container = ""
        self._pid = 0
        self._is_marked = False
        self._lock = threading.Lock()

    def run_round(self) -> None:
        """Start the operator of a new container, or tell the kubelet that it is ready; ApiError from the API."""
        found = find_container(fetch_all(self._kube, "v1", "Pod", NAMESPACE, "app=deckhouse"))
        if found and found != self._container and operator.is_installed():
            self._begin(found)
        elif self._container and not self._is_marked and operator.is_ready():
            self._mark_ready()

    def _begin(self, container: str) -> None:
        pid = find_first_process(container)
        if pid is None:
            return  # it has ended already, or its cgroup is not filled yet: the next round sees
        descriptor = os.pidfd_open(pid)
        self._prepare()
        with self._lock:
            kill_operator()
            record = operator.start_again()
            self._container, self._pid, self._is_marked = container, pid, False
        self._log(f"operator starts as pid {record.pid} with container {container[:12]} of Deployment deckhouse")
        threading.Thread(target=self._watch, args=(descriptor, container), daemon=True).start()

    def _watch(self, descriptor: int, container: str) -> None:
        select.select([descriptor], [], [])
        os.close(descriptor)
        with self._lock:
            if self._container != container:
                return
            ended = kill_operator()
            self._log(f"container {container[:12]} of deckhouse is gone, and with it {ended} processes of the operator")

    def _mark_ready(self) -> None:
        try:
            Path(f"/proc/{self._pid}/root/www/{READY_FILE}").write_text("ok\n", encoding="ascii")
        except OSError:
            return  # the container has ended meanwhile
        self._is_marked = True
        self._log("the operator is ready, and so is the pod of Deployment deckhouse")


def kill_operator() -> int:
    """Kill the operator and every process that comes from it; returns, when they are gone, how many there were."""
    record = operator.find()
    if record is None:
        return 0
    process.send(record, signal.SIGSTOP)  # so that it starts no hook while its children are counted
    family = [record, *(_record(pid) for pid in list_descendants(record.pid))]
    killed = sum(process.send(each) for each in family)
    until = time.monotonic() + _END_SECONDS
    while any(process.is_alive(each) for each in family):
        if time.monotonic() > until:
            raise BoxError(f"the operator (pid {record.pid}) does not end after SIGKILL; see `ps -o pid,stat,cmd`")
        time.sleep(0.02)
    return killed


def list_descendants(pid: int) -> list[int]:
    """Return the pids of all children of a process, and of theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text(encoding="ascii").split()]
        except OSError:
            continue
        for child in children:
            found += [child, *list_descendants(child)]
    return found


def find_container(pods: Iterable[Mapping[str, Any]]) -> str:
    """Return the id of the container that runs, of a pod that is not being deleted; empty while there is none."""
    for pod in pods:
        if pod["metadata"].get("deletionTimestamp"):
            continue
        for status in (pod.get("status") or {}).get("containerStatuses") or []:
            if "running" in (status.get("state") or {}):
                return str(status.get("containerID", "")).rpartition("/")[2]
    return ""


def find_first_process(container: str) -> int | None:
    """Return the pid, as the machine counts, of a container's first process."""
    for group in cgroups.list_groups():
        pids = (group / "cgroup.procs").read_text(encoding="ascii").split() if group.name == container else []
        if pids:
            return min(map(int, pids))
    return None


def _record(pid: int) -> process.Record:
    return process.Record(name="", pid=pid, started=process.read_start_time(pid) or 0, log="")
