# SPDX-License-Identifier: Apache-2.0
"""The step that bashible gets: rendered by Helm, rendered once more as bashible-apiserver does, and run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.scratch_node import read_program

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "templates/registry-node"

# Once more through the same template engine (Go's): what bashible-apiserver does to a step.
SECOND_PASS = '{{ toJson (dict "step" (include (print $.Template.BasePath "/_step.sh") .)) }}\n'

# bashible sources steps; its helpers, as the platform documents them. Paths lead into a scratch folder.
BASHIBLE = """
set -Eeuo pipefail
bb-sync-file() { mkdir -p "$(dirname "$1")"; cat >"$1.tmp"; cmp -s "$1.tmp" "$1" || mv "$1.tmp" "$1"; rm -f "$1.tmp"; }
bb-log-info() { echo "info: $*"; }
systemctl() { echo "systemctl $*" >>"$SCRATCH/systemctl"; }
step() { source "$SCRATCH/step.sh"; }
step
step
echo "the step returned"
"""


def render(helm: str, chart: Path, show_only: str) -> str:
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: registry\nversion: 0.0.1\n")
    command = [helm, "template", "x", str(chart), "--show-only", show_only]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def copy_chart(target: Path) -> Path:
    shutil.copytree(SOURCES, target / "templates/registry-node")
    shutil.copy(ROOT / "templates/_helpers.tpl", target / "templates")
    return target


def render_step(helm: str, folder: Path, chart: Path) -> str:
    text = render(helm, chart, "templates/registry-node/node-group-configuration.yaml")
    spec = yaml.safe_load(text)["spec"]
    second = folder / "second/templates"
    second.mkdir(parents=True)
    (second / "_step.sh").write_text(spec["content"])
    (second / "step.yaml").write_text(SECOND_PASS)
    step: str = yaml.safe_load(render(helm, second.parent, "templates/step.yaml"))["step"]
    return step


@pytest.fixture
def step(helm: str, tmp_path: Path) -> str:
    return render_step(helm, tmp_path, copy_chart(tmp_path / "chart"))


def test_the_step_is_for_every_group_and_bundle_after_containerd(helm: str, tmp_path: Path) -> None:
    text = render(helm, copy_chart(tmp_path), "templates/registry-node/node-group-configuration.yaml")
    document = yaml.safe_load(text)
    assert document["kind"] == "NodeGroupConfiguration"
    spec = document["spec"]
    assert (spec["nodeGroups"], spec["bundles"]) == (["*"], ["*"])
    assert 32 < spec["weight"] < 60
    assert document["metadata"]["labels"] == {"heritage": "deckhouse", "module": "registry"}
    assert document["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_step_passes_bash_and_shellcheck(step: str, tmp_path: Path) -> None:
    path = tmp_path / "step.sh"
    path.write_text("#!/usr/bin/env bash\n" + step)
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    checked = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert not any(line.startswith("exit") for line in step.split("END_OF_REGISTRY_NODE")[-1].splitlines())


def read(path: Path, scratch: Path) -> str:
    return path.read_text().replace(str(scratch), "").rstrip()


def test_the_step_installs_the_very_files_twice_over(step: str, tmp_path: Path) -> None:
    text = step
    for path in ("/opt/deckhouse", "/etc/systemd"):
        text = text.replace(f" {path}", f" {tmp_path}{path}")
    (tmp_path / "step.sh").write_text(text)
    environment = {"PATH": os.environ["PATH"], "SCRATCH": str(tmp_path)}
    ran = subprocess.run(["bash", "-c", BASHIBLE], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "info: registry-node installed\nthe step returned\n"
    program = tmp_path / "opt/deckhouse/bin/registry-node"
    assert program.stat().st_mode & 0o777 == 0o755
    assert program.read_text().replace(str(tmp_path), "").rstrip() == read_program().rstrip()
    for kind in ("service", "timer", "path"):
        unit = tmp_path / f"etc/systemd/system/registry-node.{kind}"
        assert (
            unit.read_text().replace(str(tmp_path), "").rstrip()
            == (SOURCES / f"_registry-node.{kind}.tpl").read_text().rstrip()
        )
        assert unit.stat().st_mode & 0o777 == 0o644
    called = (tmp_path / "systemctl").read_text().splitlines()
    assert called[: len(called) // 2] == [
        "systemctl daemon-reload",
        "systemctl enable registry-node.timer registry-node.path",
        "systemctl restart registry-node.timer registry-node.path",
        "systemctl --no-block start registry-node.service",
    ]


def test_the_files_hold_no_opening_braces_of_a_template() -> None:
    for path in SOURCES.rglob("_*.tpl"):
        assert "{{" not in path.read_text(), f"{path.name}: Helm would take that for a template"


def test_the_program_passes_shellcheck() -> None:
    checked = subprocess.run(
        ["shellcheck", "--severity=style", "-"], input=read_program(), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
