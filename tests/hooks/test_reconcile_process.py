# SPDX-License-Identifier: Apache-2.0
"""hooks/reconcile_registry.py as the operator runs it: a process, seven paths, one line of text when it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from box.runner.config import parse_hook_config
from tests.support.memory_cluster import MemoryCluster, direct

ROOT = Path(__file__).parents[2]
HOOK = ROOT / "hooks" / "reconcile_registry.py"
ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT / "lib" / "python"),
}


def run_hook(folder: Path, contexts: Any, values: Any) -> subprocess.CompletedProcess[str]:
    inputs = {"BINDING_CONTEXT_PATH": contexts, "VALUES_PATH": values}
    inputs["CONFIG_VALUES_PATH"] = {"global": None, "registry": None}
    paths = {}
    for name, content in inputs.items():
        (folder / name).write_text(json.dumps(content))
        paths[name] = str(folder / name)
    for name in ("KUBERNETES_PATCH_PATH", "VALUES_JSON_PATCH_PATH", "METRICS_PATH", "CONFIG_VALUES_JSON_PATCH_PATH"):
        (folder / name).write_text("")
        paths[name] = str(folder / name)
    return subprocess.run(
        [str(HOOK)], env={**ENVIRONMENT, **paths}, cwd=folder, capture_output=True, text=True, check=False
    )


def contexts_of(cluster: MemoryCluster) -> list[dict[str, Any]]:
    snapshots = {name: [{"filterResult": item} for item in items] for name, items in cluster.read().snapshots.items()}
    return [{"binding": "nodes", "groupName": "main", "type": "Group", "snapshots": snapshots}]


def test_config_is_pure_json_that_the_runner_accepts_without_any_installed_package() -> None:
    shown = subprocess.run(
        [sys.executable, "-S", str(HOOK), "--config"], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert shown.stderr == ""
    assert len(parse_hook_config(shown.stdout).kubernetes) == 11


def test_a_run_writes_kube_operations_as_json_lines_and_no_values_without_a_change(tmp_path: Path) -> None:
    cluster = MemoryCluster()
    cluster.settle()
    cluster.edit(direct())
    internal = {"awake": True, "proxy": {"enabled": False, "replicas": 0}}
    done = run_hook(tmp_path, contexts_of(cluster), {"global": {}, "registry": {"internal": internal}})
    assert (done.returncode, done.stderr) == (0, "")
    operations = [json.loads(line) for line in (tmp_path / "KUBERNETES_PATCH_PATH").read_text().splitlines()]
    assert [(item["operation"], item["name"]) for item in operations] == [("JQPatch", "registry-state")]
    assert (tmp_path / "VALUES_JSON_PATCH_PATH").read_text() == ""


def test_values_are_restored_as_a_whole_subtree(tmp_path: Path) -> None:
    cluster = MemoryCluster()
    cluster.settle()
    done = run_hook(tmp_path, contexts_of(cluster), {"global": {}, "registry": {"internal": {"awake": True}}})
    assert (done.returncode, done.stderr) == (0, "")
    (patch,) = [json.loads(line) for line in (tmp_path / "VALUES_JSON_PATCH_PATH").read_text().splitlines()]
    value = {"enabled": False, "replicas": 0}
    assert patch == {"op": "add", "path": "/registry/internal/proxy", "value": value}


def test_an_empty_context_is_one_human_line_and_no_success(tmp_path: Path) -> None:
    done = run_hook(tmp_path, [], {})
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("reconcile_registry.py: the binding context is empty")


def test_a_defect_is_one_human_line_that_shows_no_input(tmp_path: Path) -> None:
    contexts = [{"binding": "nodes", "type": "Group", "snapshots": {"nodes": [{"filterResult": "hush-4e1f"}]}}]
    done = run_hook(tmp_path, contexts, {"global": {}, "registry": {}})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "please report it" in done.stderr
    assert "hush-4e1f" not in done.stderr
    assert (tmp_path / "KUBERNETES_PATCH_PATH").read_text() == ""


def test_values_that_openapi_refuses_stop_the_run_before_anything_is_written(tmp_path: Path) -> None:
    cluster = MemoryCluster()
    cluster.settle()
    values = {"global": {}, "registry": {"internal": {"unknown": 1}}}
    done = run_hook(tmp_path, contexts_of(cluster), values)
    assert done.returncode == 1
    assert "openapi/values.yaml" in done.stderr
    assert (tmp_path / "KUBERNETES_PATCH_PATH").read_text() == ""
