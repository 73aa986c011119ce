# SPDX-License-Identifier: Apache-2.0
"""What the stand-in for deckhouse-controller renders, and when; factors: pods by checksum, readiness, time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from box.images.imageset import ImageSet, PlatformImage
from box.platform.global_values import build_module_name, build_operator_config
from box.platform.kube import is_held
from box.platform.pace import count_due, is_renewal_due
from box.platform.registry_secret import RegistrySecret, compute_checksum
from box.platform.takeover import compute_progress
from box.platform.workloads import (
    CHECKSUM,
    WORKLOADS,
    Kind,
    Workload,
    build_deckhouse,
    build_workload,
    is_left_behind,
)

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
SECRET = RegistrySecret(address="h.test", path="/p", scheme="https", ca="", docker_config='{"auths":{}}')
IMAGES = ImageSet(
    key="k",
    repository="p",
    tag="v1.72.0",
    deckhouse_digest="sha256:d",
    images=tuple(
        PlatformImage(module=module, name=name, digest=f"sha256:{name}", index=False, unique_layer="", size=1)
        for module, name in (workload.image for workload in WORKLOADS)
    ),
    load_images=(),
    storage=Path("/s"),
    pause_tar=Path("/t"),
    pause_reference="pause",
)


def build_pod(checksum: str, ready_for: float | None) -> dict[str, Any]:
    since = NOW - timedelta(seconds=ready_for or 0)
    ready = {
        "type": "Ready",
        "status": "False" if ready_for is None else "True",
        "lastTransitionTime": f"{since:%Y-%m-%dT%H:%M:%SZ}",
    }
    return {"metadata": {"annotations": {CHECKSUM: checksum}}, "status": {"conditions": [ready]}}


@pytest.mark.parametrize(
    ("pods", "since"),
    [
        pytest.param([], None, id="no pod"),
        pytest.param([build_pod("old", 60)], None, id="old pod"),
        pytest.param([build_pod("new", None)], None, id="not ready"),
        pytest.param([build_pod("new", 7)], 7.0, id="ready"),
        pytest.param([build_pod("new", 60), build_pod("old", 60)], None, id="old pod still ends"),
    ],
)
def test_modules_follow_from_the_readiness_of_the_new_pod_on(pods: list[dict[str, Any]], since: float | None) -> None:
    assert compute_progress(pods, "new", NOW).since == since


@pytest.mark.parametrize(
    ("since", "delay", "due"),
    [
        (None, 5.0, 0),
        (0.0, 6.0, 0),
        (1.9, 6.0, 0),
        (2.0, 6.0, 1),
        (4.0, 6.0, 2),
        (6.0, 6.0, 3),
        (99.0, 6.0, 3),
        (0.0, 0.0, 3),
    ],
)
def test_modules_follow_one_after_another_the_last_one_after_the_delay(
    since: float | None, delay: float, due: int
) -> None:
    assert count_due(since, delay, 3) == due


@pytest.mark.parametrize(
    ("since", "delay", "due"), [(None, 4.0, False), (5.9, 4.0, False), (6.0, 4.0, True), (0.0, 0.0, True)]
)
def test_pods_that_do_not_follow_by_themselves_are_deleted_after_the_last_module(
    since: float | None, delay: float, due: bool
) -> None:
    assert is_renewal_due(since, delay) is due


@pytest.mark.parametrize(
    ("image", "metadata", "left"),
    [
        ("old.test/p@sha256:1", {}, True),
        ("h.test/p@sha256:1", {}, False),
        ("h.test/p2@sha256:1", {}, True),
        ("old.test/p@sha256:1", {"deletionTimestamp": "2026-11-23T12:00:00Z"}, False),
    ],
)
def test_a_pod_is_left_behind_with_another_base_until_it_is_being_deleted(
    image: str, metadata: dict[str, str], left: bool
) -> None:
    assert is_left_behind({"metadata": metadata, "spec": {"containers": [{"image": image}]}}, "h.test/p") is left


def test_the_platform_has_a_cron_job_and_a_daemon_set_that_is_updated_on_delete_alone() -> None:
    items = [build_workload(workload, "h.test/p", IMAGES) for workload in WORKLOADS]
    assert [item["apiVersion"] for item in items if item["kind"] == Kind.CRON_JOB.value] == ["batch/v1"]
    assert [item["kind"] for item in items if item["spec"].get("updateStrategy") == {"type": "OnDelete"}] == [
        "DaemonSet"
    ]


def test_deckhouse_carries_the_checksum_and_its_own_image_below_the_base() -> None:
    spec = build_deckhouse(SECRET, IMAGES)["spec"]
    template = spec["template"]
    assert template["metadata"]["annotations"] == {CHECKSUM: compute_checksum(SECRET)}
    assert template["metadata"]["labels"] == {"app": "deckhouse", "leader": "true"}
    (container,) = template["spec"]["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("h.test/p:v1.72.0", "Always")
    assert (spec["strategy"], spec["replicas"]) == ({"type": "Recreate"}, 1)
    assert template["spec"]["imagePullSecrets"] == [{"name": "deckhouse-registry"}]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: str(workload.name))
def test_a_workload_names_its_image_by_digest_below_the_base(workload: Workload) -> None:
    spec = build_workload(workload, "other.test/q", IMAGES)["spec"]
    pod = spec.get("jobTemplate", {}).get("spec", spec)["template"]["spec"]
    assert pod["containers"][0]["image"] == f"other.test/q@sha256:{workload.image[1]}"


def test_global_values_name_the_base_the_digests_and_the_modules() -> None:
    config = build_operator_config(SECRET, IMAGES, None)
    values = yaml.safe_load(config["data"]["global"])
    assert values["modulesImages"]["registry"]["base"] == "h.test/p"
    assert values["modulesImages"]["digests"] == IMAGES.digests()
    assert "operator-trivy" in values["enabledModules"]
    assert config["data"]["registryEnabled"] == "true"
    assert "registry" not in config["data"]


def test_settings_of_module_config_registry_reach_the_operator() -> None:
    module_config = {"spec": {"enabled": False, "settings": {"soak": "1m"}}}
    data = build_operator_config(SECRET, IMAGES, module_config)["data"]
    assert (data["registryEnabled"], yaml.safe_load(data["registry"])) == ("false", {"soak": "1m"})


@pytest.mark.parametrize(
    ("camel", "kebab"), [("nodeManager", "node-manager"), ("prometheus", "prometheus"), ("userAuthn", "user-authn")]
)
def test_a_modules_name_is_in_kebab_case(camel: str, kebab: str) -> None:
    assert build_module_name(camel) == kebab


@pytest.mark.parametrize(
    ("wanted", "present", "held"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 1, "d": 2}]}}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": 1}, {"a": 2}, False),
        ({"a": {}}, {}, False),
    ],
)
def test_what_the_api_adds_is_no_difference(wanted: dict[str, Any], present: dict[str, Any], held: bool) -> None:
    assert is_held(wanted, present) is held
