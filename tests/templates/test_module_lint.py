# SPDX-License-Identifier: Apache-2.0
"""What the platform's linter would refuse a newcomer for: nothing in this module, and each planted fault is found."""

import copy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from box.bundle.contents import SHIPPED
from tests.support.module_lint import find_file_problems, find_manifest_problems
from tests.templates.test_chart import ROOT, find_deployment, render

Manifests = list[dict[str, Any]]


@pytest.fixture(scope="module")
def manifests(helm: str, tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return render(helm, tmp_path_factory.mktemp("chart"), modules=("vertical-pod-autoscaler",))


@pytest.fixture
def module(tmp_path: Path) -> Path:
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)
        elif (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def test_files_of_the_module_pass() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    entries = sorted({line.partition("/")[0] for line in listed.splitlines()})
    assert list(find_file_problems(ROOT, entries)) == []


def test_files_of_the_bundle_pass(module: Path) -> None:
    assert list(find_file_problems(module, [path.name for path in module.iterdir()])) == []


def test_rendered_objects_pass(manifests: Manifests) -> None:
    assert list(find_manifest_problems(manifests)) == []


def _edit(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def play(module: Path) -> None:
        document = yaml.safe_load((module / name).read_text())
        change(document)
        (module / name).write_text(yaml.safe_dump(document))

    return play


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def play(module: Path) -> None:
        text = (module / name).read_text()
        assert old in text
        (module / name).write_text(text.replace(old, new))

    return play


@pytest.mark.parametrize(
    ("plant", "problem"),
    [
        pytest.param(lambda module: (module / "docs/README.ru.md").unlink(), "docs/README.ru.md is missing", id="twin"),
        pytest.param(lambda module: (module / "more").mkdir(), ".helmignore does not name more", id="entry"),
        pytest.param(_edit("module.yaml", lambda it: it.update(stage="Beta")), "module.yaml: stage", id="stage"),
        pytest.param(_edit("module.yaml", lambda it: it.update(weight=9)), "module.yaml: weight", id="weight"),
        pytest.param(_edit("module.yaml", lambda it: it.pop("requirements")), "requirements.deckhouse", id="platform"),
        pytest.param(_edit("oss.yaml", lambda it: it[0].pop("license")), "oss.yaml: nginx has no license", id="oss"),
        pytest.param(
            _edit("openapi/config-values.yaml", lambda it: it["properties"]["onFailure"].update(enum=["hold-on"])),
            "enum value hold-on is not CamelCase",
            id="enum",
        ),
        pytest.param(
            lambda module: (module / "templates/rbac-to-us.yaml").rename(module / "templates/access.yaml"),
            "access.yaml: Role belongs into rbac-for-us.yaml",
            id="rbac",
        ),
        pytest.param(
            _replace("hooks/reconcile_registry.py", "SPDX-License-Identifier", "License"),
            "hooks/reconcile_registry.py has no licence line",
            id="licence",
        ),
    ],
)
def test_a_fault_planted_in_files_is_found(module: Path, plant: Callable[[Path], None], problem: str) -> None:
    plant(module)
    found = list(find_file_problems(module, [path.name for path in module.iterdir()]))
    assert [one for one in found if problem in one], found


def _pod(manifests: Manifests) -> dict[str, Any]:
    pod: dict[str, Any] = find_deployment(manifests)["spec"]["template"]["spec"]
    return pod


def _drop(kind: str) -> Callable[[Manifests], None]:
    def plant(manifests: Manifests) -> None:
        manifests[:] = [item for item in manifests if item["kind"] != kind]

    return plant


def _first(kind: str, manifests: Manifests) -> dict[str, Any]:
    return next(item for item in manifests if item["kind"] == kind)


@pytest.mark.parametrize(
    ("plant", "problem"),
    [
        pytest.param(lambda them: them[0]["metadata"]["labels"].pop("heritage"), "no label heritage", id="label"),
        pytest.param(
            lambda them: _first("Role", them)["metadata"].update(name="access"),
            "does not say the module",
            id="role name",
        ),
        pytest.param(
            lambda them: _first("Role", them)["rules"][0].update(verbs=["*"]), "has a wildcard", id="wildcard"
        ),
        pytest.param(
            lambda them: _first("Service", them)["spec"]["ports"][0].update(targetPort=5001),
            "is no name",
            id="target port",
        ),
        pytest.param(
            lambda them: find_deployment(them)["spec"].pop("revisionHistoryLimit"), "HistoryLimit", id="history"
        ),
        pytest.param(lambda them: _pod(them).update(priorityClassName="own"), "priority class own", id="priority"),
        pytest.param(_drop("PodDisruptionBudget"), "no PodDisruptionBudget", id="budget"),
        pytest.param(_drop("VerticalPodAutoscaler"), "no bounds for the vertical autoscaler", id="autoscaler"),
        pytest.param(lambda them: _pod(them)["containers"][0].pop("livenessProbe"), "no livenessProbe", id="probe"),
        pytest.param(
            lambda them: _pod(them)["containers"][0]["securityContext"].pop("readOnlyRootFilesystem"),
            "readOnlyRootFilesystem is not True",
            id="root filesystem",
        ),
        pytest.param(lambda them: _pod(them)["securityContext"].pop("runAsUser"), "runs as root", id="root"),
        pytest.param(lambda them: _pod(them)["securityContext"].pop("seccompProfile"), "seccompProfile", id="seccomp"),
        pytest.param(
            lambda them: _pod(them)["containers"][0]["resources"]["requests"].pop("ephemeral-storage"),
            "no request for ephemeral-storage",
            id="storage",
        ),
        pytest.param(
            lambda them: _pod(them)["containers"][0]["ports"][0].update(containerPort=443),
            "port 443 is up to",
            id="port",
        ),
        pytest.param(lambda them: _pod(them).update(hostNetwork=True), "of the host is outside", id="port of the host"),
    ],
)
def test_a_fault_planted_in_manifests_is_found(
    manifests: Manifests, plant: Callable[[Manifests], object], problem: str
) -> None:
    planted = copy.deepcopy(manifests)
    plant(planted)
    found = list(find_manifest_problems(planted))
    assert [one for one in found if problem in one], found
