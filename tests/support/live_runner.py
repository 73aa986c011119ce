# SPDX-License-Identifier: Apache-2.0
"""A runner process on a real API server, with the sample module and what its hooks recorded."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from box.runner.debug import ask_unix
from box.runner.errors import ApiError
from box.runner.httpkube import HttpKube
from box.runner.kubeapi import MERGE_PATCH, Selection
from box.runner.kubeconfig import connect
from tests.support.control_plane import die_with_parent, find_binary, free_ports

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "support" / "sample_module"
NAMESPACE = "d8-system"
EVENTS = "/modules/registry/events"
LIMIT = 20.0


class Live:
    """One runner process, its records and the objects around it."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.api: HttpKube = connect(kubeconfig)
        self.folder = folder
        self.port = free_ports(1)[0]
        self.process: subprocess.Popen[bytes] | None = None
        self.modules = folder / "modules"
        shutil.copytree(SAMPLE / "modules", self.modules)
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "DEBUG_UNIX_SOCKET": str(folder / "debug.sock"),
            "OBJECT_PATCHER_KUBE_CLIENT_QPS": "50",
            "OBJECT_PATCHER_KUBE_CLIENT_BURST": "100",
            "HELM_BIN_PATH": str(find_binary("helm")),
            "RECORD_DIR": str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    @property
    def command(self) -> list[str]:
        """Answer the words that call the runner, from the repository."""
        return [sys.executable, "-m", "box.runner"]

    def start(self) -> None:
        command = [*self.command, "start", "--namespace", NAMESPACE, "--config-map"]
        command += ["addon-operator", "--modules-dir", str(self.modules), "--global-hooks-dir"]
        (self.folder / "global-hooks").mkdir(exist_ok=True)
        command += [str(self.folder / "global-hooks"), "--tmp-dir", str(self.folder / "tmp")]
        command += ["--prometheus-listen-address", "127.0.0.1", "--prometheus-listen-port", str(self.port)]
        with (self.folder / "runner.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, preexec_fn=die_with_parent
            )

    def stop(self) -> float:
        """Send SIGTERM, answer the seconds until it has ended."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(40) == 0
        self.process = None
        return time.monotonic() - began

    def kill(self) -> None:
        """End it as SIGKILL does, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def kill_hook(self, pid: int) -> None:
        """Kill a hook that this runner has started."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        assert pid in {int(child) for path in children for child in path.read_text().split()}
        os.kill(pid, signal.SIGKILL)

    def debug(self, path: str) -> str:
        """Ask it on its debug socket."""
        return ask_unix(self.folder / "debug.sock", path)

    def ask(self, path: str) -> str:
        """Answer what its listen address shows at `path`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
            text: str = answer.read().decode()
            return text

    def failures(self, queue: str) -> list[dict[str, Any]]:
        """Answer the tasks of a queue that have failed at least once."""
        return [task for task in self.queues().get(queue, []) if task["failures"]]

    def ended(self, hook: str) -> list[dict[str, Any]]:
        """Answer the runs of a sample hook that came to their end."""
        return self.runs(f"{hook} ended")

    def readiness(self) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def queues(self) -> dict[str, list[dict[str, Any]]]:
        command = [*self.command, "queue", "list", "--output", "json"]
        done = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=True)
        return {queue["queue"]: queue["tasks"] for queue in json.loads(done.stdout)}

    def runs(self, hook: str) -> list[dict[str, Any]]:
        path = self.folder / "runs.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [run for run in map(json.loads, lines) if run["hook"] == hook]

    def bindings(self, hook: str) -> list[str]:
        return [context["binding"] for run in self.runs(hook) for context in run["contexts"]]

    def do(self, hook: str, **todo: Any) -> None:
        """Tell a sample hook what to do from its next run on."""
        path = self.folder / f"{hook}.do"
        path.with_suffix(".new").write_text(json.dumps(todo))
        path.with_suffix(".new").rename(path)

    def put(self, name: str, data: dict[str, str], **labels: str) -> None:
        resource = self.api.resolve("v1", "ConfigMap")
        body = {"metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}, "data": data}
        try:
            self.api.create(resource, NAMESPACE, {"apiVersion": "v1", "kind": "ConfigMap", **body})
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            self.api.patch(resource, NAMESPACE, name, {"data": data}, MERGE_PATCH)

    def get(self, name: str) -> dict[str, Any] | None:
        try:
            return self.api.get(self.api.resolve("v1", "ConfigMap"), NAMESPACE, name)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def rendered(self, key: str) -> str | None:
        found = self.get("rendered")
        return None if found is None else str(found["data"][key])

    def delete(self, name: str) -> None:
        if self.get(name) is not None:
            self.api.delete(self.api.resolve("v1", "ConfigMap"), NAMESPACE, name, "Background")

    def revisions(self) -> int:
        secrets = self.api.resolve("v1", "Secret")
        return len(self.api.list_objects(secrets, Selection(namespace=NAMESPACE, labels="owner=helm")).items)

    def log(self) -> str:
        return (self.folder / "runner.log").read_text()

    def clear(self) -> None:
        """Remove what a test has made in the cluster."""
        for kind in ("ConfigMap", "Secret"):
            resource = self.api.resolve("v1", kind)
            for item in self.api.list_objects(resource, Selection(namespace=NAMESPACE)).items:
                if item["metadata"]["name"] != "kube-root-ca.crt":
                    self.api.delete(resource, NAMESPACE, item["metadata"]["name"], "Background")


def wait(what: Callable[[], Any], seconds: float = LIMIT) -> Any:
    limit = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)
    return found


@contextlib.contextmanager
def live_runner(folder: Path, kubeconfig: Path) -> Iterator[Live]:
    """Answer a runner that is not started yet, in a cluster without remains of an earlier one; clean up afterwards."""
    found = Live(folder, kubeconfig)
    namespaces = found.api.resolve("v1", "Namespace")
    try:
        found.api.create(namespaces, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    found.clear()
    found.put("addon-operator", {})
    try:
        yield found
    finally:
        found.kill()
        found.clear()
