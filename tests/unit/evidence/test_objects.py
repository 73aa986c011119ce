# SPDX-License-Identifier: Apache-2.0
"""What counts as evidence. Factors: kind x finished or not x reference x namespace; copies of the pull secret."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from d8registry.errors import InvalidObject
from d8registry.evidence.answer import Evidence, limit_names, parse_evidence, render_evidence
from d8registry.evidence.objects import (
    Finding,
    find_host,
    find_reference,
    find_stale_copies,
    is_below,
    limit_owners,
    read_workload,
)
from d8registry.evidence.question import build_evidence_question, parse_question, render_question

BASE, HOST = "old.test/deckhouse/ee", "old.test"
QUESTION = build_evidence_question(BASE, HOST)
OLD, NEW = f"{BASE}@sha256:1", "registry.d8-system.svc:5001/system/deckhouse@sha256:1"


def build_pod_spec(image: str, key: str = "containers") -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": NEW}], key: [{"name": "x", "image": image}]}


def build_object(
    kind: str, image: str, *, namespace: str = "d8-x", key: str = "containers", **more: Any
) -> dict[str, Any]:
    pod_spec = build_pod_spec(image, key)
    template = {"template": {"spec": pod_spec}}
    spec = {"Pod": pod_spec, "CronJob": {"jobTemplate": {"spec": template}}}.get(kind, template)
    return {"metadata": {"namespace": namespace, "name": "y"}, "spec": spec, **more}


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"])
@pytest.mark.parametrize("key", ["containers", "initContainers"])
def test_every_kind_that_makes_pods_is_evidence(kind: str, key: str) -> None:
    finding = read_workload(kind, build_object(kind, OLD, key=key), QUESTION)
    assert finding is not None
    assert (finding.name, finding.is_platform, finding.uses_base) == (f"{kind} d8-x/y", True, True)
    assert read_workload(kind, build_object(kind, NEW, key=key), QUESTION) is None


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_the_modules_own_proxy_does_not_hold_a_cluster_that_leaves_the_fixed_address(kind: str) -> None:
    question = build_evidence_question("registry.d8-system.svc:5001/system/deckhouse", "registry.d8-system.svc:5001")
    proxy = build_object(kind, NEW, namespace="d8-system")
    proxy["metadata"]["labels"] = {"heritage": "deckhouse", "module": "registry"}
    finding = read_workload(kind, proxy, question)
    assert finding is None or not finding.uses_base
    assert read_workload(kind, build_object(kind, NEW, namespace="d8-system"), question) is not None


@pytest.mark.parametrize(
    ("kind", "more", "counts"),
    [
        pytest.param("Pod", {"status": {"phase": "Running"}}, True, id="running pod"),
        pytest.param("Pod", {"status": {"phase": "Pending"}}, True, id="pending pod"),
        pytest.param("Pod", {"status": {"phase": "Succeeded"}}, False, id="succeeded pod"),
        pytest.param("Pod", {"status": {"phase": "Failed"}}, False, id="failed pod"),
        pytest.param(
            "Pod",
            {"metadata": {"namespace": "a", "name": "b", "deletionTimestamp": "2026-11-23T12:00:00Z"}},
            False,
            id="pod being deleted",
        ),
        pytest.param(
            "Pod",
            {"metadata": {"namespace": "a", "name": "b", "ownerReferences": [{"kind": "Job", "name": "c"}]}},
            False,
            id="pod of a job, which counts itself",
        ),
        pytest.param("Job", {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, False, id="done job"),
        pytest.param("Job", {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}, False, id="failed job"),
        pytest.param(
            "Job", {"status": {"conditions": [{"type": "Suspended", "status": "True"}]}}, True, id="suspended"
        ),
        pytest.param("Job", {"status": {"conditions": [{"type": "Failed", "status": "False"}]}}, True, id="not failed"),
    ],
)
def test_only_what_may_pull_again_counts(kind: str, more: dict[str, Any], counts: bool) -> None:
    assert (read_workload(kind, build_object(kind, OLD, **more), QUESTION) is not None) is counts


@pytest.mark.parametrize(
    ("namespace", "platform"),
    [("d8-monitoring", True), ("kube-system", True), ("default", False), ("kube-public", False), ("my-d8-x", False)],
)
def test_the_platforms_namespaces_are_told_from_users(namespace: str, platform: bool) -> None:
    finding = read_workload("Pod", build_object("Pod", OLD, namespace=namespace), QUESTION)
    assert finding is not None
    assert finding.is_platform is platform


def test_a_users_own_image_of_the_same_host_needs_the_host_but_not_the_base() -> None:
    finding = read_workload("Deployment", build_object("Deployment", "old.test/team/app:v1"), QUESTION)
    assert finding is not None
    assert (finding.uses_base, finding.uses_host) == (False, True)


@pytest.mark.parametrize(
    ("image", "below"),
    [
        (f"{BASE}:v1", True),
        (f"{BASE}@sha256:1", True),
        (f"{BASE}/module:v1", True),
        (BASE, True),
        (f"{BASE}-se:v1", False),
        ("x" + BASE, False),
    ],
)
def test_a_base_ends_where_a_reference_goes_on(image: str, below: bool) -> None:
    assert is_below(image, BASE) is below


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("old.test/a:v1", "old.test"),
        ("old.test:5000/a", "old.test:5000"),
        ("localhost/a", "localhost"),
        ("library/nginx", "docker.io"),
        ("nginx:1.2", "docker.io"),
    ],
)
def test_the_host_of_a_reference_is_found_as_containerd_finds_it(image: str, host: str) -> None:
    assert find_host(image) == host


def build_copy(namespace: str, text: str | None) -> dict[str, Any]:
    data = {} if text is None else {".dockerconfigjson": base64.b64encode(text.encode()).decode()}
    return {"metadata": {"namespace": namespace, "name": "deckhouse-registry"}, "data": data}


def test_copies_that_say_the_same_in_other_words_are_equal_and_the_rest_is_stale() -> None:
    new, old = json.dumps({"auths": {"h": {}, "i": {}}}), json.dumps({"auths": {"h": {}}})
    secrets = [
        build_copy("d8-system", new),
        build_copy("d8-same", json.dumps({"auths": {"i": {}, "h": {}}}, indent=2)),
        build_copy("d8-stale", old),
        build_copy("d8-empty", None),
        build_copy("d8-rubbish", "{"),
        build_copy("team", old),
        build_copy("team-fresh", new),
    ]
    platform, users = find_stale_copies(secrets, QUESTION)
    assert platform == [f"Secret d8-{name}/deckhouse-registry" for name in ("empty", "rubbish", "stale")]
    assert users == ["Secret team/deckhouse-registry"]
    limited = build_evidence_question(BASE, HOST, ["d8-stale"])
    assert find_stale_copies(secrets, limited)[0] == ["Secret d8-stale/deckhouse-registry"]


def test_without_an_original_no_copy_is_taken_for_fresh() -> None:
    assert find_stale_copies([build_copy("d8-a", None)], QUESTION)[0] == ["Secret d8-a/deckhouse-registry"]


def test_question_and_answer_read_back_as_written() -> None:
    question = build_evidence_question(BASE, HOST, ["d8-b", "d8-a"], nonce="1")
    assert parse_question(render_question(question)) == question
    assert question.key != build_evidence_question(BASE, HOST, ["d8-b", "d8-a"], nonce="2").key
    assert parse_question(render_question(None)) is None
    assert parse_question("") is None
    evidence = Evidence(
        key="k",
        at=datetime(2026, 11, 23, tzinfo=UTC),
        platform=("Pod a/b",),
        complete=False,
        message="m",
        seen=("sha256:1",),
    )
    assert parse_evidence(render_evidence(evidence)) == evidence
    assert parse_evidence("") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"key":"k"}'])
def test_unreadable_text_names_the_secret(text: str) -> None:
    with pytest.raises(InvalidObject, match="registry-questions"):
        parse_question(text)
    with pytest.raises(InvalidObject, match="registry-evidence"):
        parse_evidence(text)


IN_USE = build_evidence_question("", "", in_use_base="registry.d8-system.svc:5001/system/deckhouse")


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        pytest.param(NEW, "sha256:1", id="digest"),
        pytest.param("registry.d8-system.svc:5001/system/deckhouse:v1.72.0", "v1.72.0", id="tag"),
        pytest.param("registry.d8-system.svc:5001/system/deckhouse", "latest", id="neither"),
        pytest.param("registry.d8-system.svc:5001/system/deckhouse/sub@sha256:1", "", id="another repository"),
        pytest.param(OLD, "", id="another base"),
    ],
)
def test_what_is_in_use_below_a_base_is_named_by_digest_or_tag(image: str, reference: str) -> None:
    assert find_reference(image, IN_USE) == reference


def test_a_question_about_images_in_use_finds_no_old_base_in_them() -> None:
    finding = read_workload("CronJob", build_object("CronJob", NEW), IN_USE)
    assert finding is not None
    assert (finding.uses_base, finding.uses_host, finding.in_use) == (False, False, ("sha256:1",))


def test_a_digest_that_thousands_of_pods_share_names_a_few_of_each_kind() -> None:
    pods = [Finding(name=f"Pod d8-x/p{i}", is_platform=True, uses_base=False, uses_host=False) for i in range(50)]
    user = Finding(name="Pod shop/cart", is_platform=False, uses_base=False, uses_host=False)
    found = limit_owners([("sha256:1", finding) for finding in (*pods, user)])
    assert [name for _, name in found] == ["Pod d8-x/p0", "Pod d8-x/p1", "Pod d8-x/p10", "Pod shop/cart"]


def test_very_many_names_are_cut_and_counted() -> None:
    names = limit_names(f"Pod a/{number:04}" for number in range(1200))
    assert (len(names), names[0], names[-1]) == (501, "Pod a/0000", "and 700 more")


@pytest.mark.parametrize("heritage", ["deckhouse", "addon-operator"])  # the operator writes its own over the chart's
@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_the_modules_own_proxy_names_the_fixed_address_to_its_end_and_holds_nothing(kind: str, heritage: str) -> None:
    """On the way back to Unmanaged it goes last; but an image of it that a new registry lacks counts."""
    base = "registry.d8-system.svc:5001/system/deckhouse"
    proxy = build_object(kind, NEW, namespace="d8-system")
    proxy["metadata"]["labels"] = {"heritage": heritage, "module": "registry"}
    question = build_evidence_question(base, "registry.d8-system.svc:5001")
    assert read_workload(kind, proxy, question) is None
    foreign = {**proxy, "metadata": {**proxy["metadata"], "namespace": "shop"}}
    assert read_workload(kind, foreign, question) is not None
    found = read_workload(kind, proxy, IN_USE)
    assert found is not None
    assert found.in_use == ("sha256:1",)
