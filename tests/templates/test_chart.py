# SPDX-License-Identifier: Apache-2.0
"""The chart as Helm renders it: what is there when, and the rules that the platform's linter has for it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DIGESTS = {"inclusterProxy": "sha256:" + "a" * 64, "inclusterProxyAuth": "sha256:" + "b" * 64}


def run_helm(
    helm: str, words: list[str], folder: Path, *, is_on: bool = True, modules: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    values = {
        "global": {"enabledModules": list(modules), "modulesImages": {"digests": {"registry": DIGESTS}}},
        "registry": {"internal": {"proxy": {"enabled": is_on, "replicas": 3.0}}},
    }
    (folder / "values.json").write_text(json.dumps(values))
    command = [helm, *words, str(ROOT), "--namespace", "d8-system", "-f", str(folder / "values.json")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def render(helm: str, folder: Path, *, is_on: bool = True, modules: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    ran = run_helm(helm, ["template", "registry"], folder, is_on=is_on, modules=modules)
    assert ran.returncode == 0, ran.stderr
    return [found for found in yaml.safe_load_all(ran.stdout) if found]


def kinds(found: list[dict[str, Any]]) -> set[str]:
    return {item["kind"] for item in found}


@pytest.fixture(scope="module")
def manifests(helm: str, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return render(helm, tmp_path_factory.mktemp("chart"), modules=("vertical-pod-autoscaler",))


def test_helm_lint_finds_nothing(helm: str, tmp_path: Path) -> None:
    ran = run_helm(helm, ["lint"], tmp_path)
    assert ran.returncode == 0, ran.stdout


def test_without_the_proxy_only_the_node_step_and_its_access_are_there(helm: str, tmp_path: Path) -> None:
    assert kinds(render(helm, tmp_path, is_on=False)) == {"Role", "RoleBinding", "NodeGroupConfiguration"}


def test_the_autoscaler_is_asked_for_only_where_its_module_is(helm: str, tmp_path: Path) -> None:
    assert "VerticalPodAutoscaler" not in kinds(render(helm, tmp_path))
    found = render(helm, tmp_path, modules=("vertical-pod-autoscaler",))
    (autoscaler,) = [item for item in found if item["kind"] == "VerticalPodAutoscaler"]
    policies = autoscaler["spec"]["resourcePolicy"]["containerPolicies"]
    assert {policy["containerName"] for policy in policies} == {"proxy", "auth"}


def test_every_object_is_labelled_and_outlives_the_release(manifests: list[dict[str, Any]]) -> None:
    for item in manifests:
        labels = item["metadata"]["labels"]
        assert (labels["heritage"], labels["module"]) == ("deckhouse", "registry"), item["kind"]
        assert item["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep", item["kind"]


def test_the_proxy_is_pulled_from_the_fixed_address_without_a_pull_secret(manifests: list[dict[str, Any]]) -> None:
    spec = find_deployment(manifests)["spec"]["template"]["spec"]
    images = [container["image"] for container in spec["containers"]]
    base = "registry.d8-system.svc:5001/system/deckhouse@"
    assert images == [base + DIGESTS["inclusterProxy"], base + DIGESTS["inclusterProxyAuth"]]
    assert "imagePullSecrets" not in spec


def test_containers_are_locked_down_probed_and_bounded(manifests: list[dict[str, Any]]) -> None:
    deployment = find_deployment(manifests)
    pod = deployment["spec"]["template"]["spec"]
    assert deployment["spec"]["replicas"] == 3
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert "ephemeral-storage" in container["resources"]["requests"]
        assert {"readinessProbe", "livenessProbe"} <= set(container)


def test_the_service_moves_the_address_by_its_selector(manifests: list[dict[str, Any]]) -> None:
    (service,) = [item for item in manifests if item["kind"] == "Service"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"component": "registry-service", "type": "incluster-proxy"}
    (port,) = service["spec"]["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("registry", 5001, "registry")
    labels = find_deployment(manifests)["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_nodes_may_read_one_secret_by_name(manifests: list[dict[str, Any]]) -> None:
    (role,) = [item for item in manifests if item["kind"] == "Role"]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["registry-node-plan"], "verbs": ["get"]}
    ]
    (binding,) = [item for item in manifests if item["kind"] == "RoleBinding"]
    assert [subject["name"] for subject in binding["subjects"]] == ["system:nodes"]


def find_deployment(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [item for item in manifests if item["kind"] == "Deployment"]
    return found
