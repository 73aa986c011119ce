# SPDX-License-Identifier: Apache-2.0
"""The box's command line as tests use it: `box …` in a process of its own, and waiting for what it shows."""

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from box.layout import PYTHON, REPOSITORY


def box(*words: str, content: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the box; `content` is its standard input."""
    command = [str(PYTHON), "-m", "box", *words]
    return subprocess.run(command, cwd=REPOSITORY, input=content, capture_output=True, text=True, check=False)


def run(*words: str, content: str | None = None) -> str:
    """Run a command that must go well, and return what it printed."""
    done = box(*words, content=content)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def fetch(*words: str) -> Any:
    """Return what `kubectl get` shows, decoded."""
    return json.loads(run("kubectl", "get", *words, "-o", "json"))


def await_that(what: str, condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until a condition holds; fails with `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


def read_annotations(node: str) -> dict[str, str]:
    """Return the annotations of a Node."""
    annotations: dict[str, str] = fetch("node", node)["metadata"].get("annotations") or {}
    return annotations


def read_ready(node: str) -> str:
    """Return the status of a Node's condition Ready."""
    conditions = fetch("node", node)["status"]["conditions"]
    return str(next(each["status"] for each in conditions if each["type"] == "Ready"))


def list_tasks(node: str) -> set[str]:
    """Return the running containers of a node, those of Jobs too."""
    return set(run("exec", node, "--", "ctr", "-n", "k8s.io", "tasks", "list", "-q").split())


def fetch_lasting_pods() -> list[Any]:
    """Return the pods that are to live on; those of Jobs come and go."""
    pods = fetch("pods", "-A")["items"]
    return [pod for pod in pods if all(one["kind"] != "Job" for one in pod["metadata"].get("ownerReferences", ()))]


def list_lasting_containers(node: str) -> set[str]:
    """Return the containers of a node's lasting pods that run, as the API knows them."""
    pods = [pod for pod in fetch_lasting_pods() if pod["spec"].get("nodeName") == node]
    statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", ())]
    return {status["containerID"].rpartition("/")[2] for status in statuses if "running" in status["state"]}
