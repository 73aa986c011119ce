# SPDX-License-Identifier: Apache-2.0
"""The program with the real ctr of both generations against a registry that answers or fails, in a scratch root."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from d8registry.containerd import build_hosts_folder
from d8registry.model.cluster import FailureClass, WitnessResult
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Source
from d8registry.nodes import Layout, build_proof

from box.layout import cache_folder
from tests.support.node_plans import build_source_layout, plan, witness
from tests.support.scratch_node import ScratchNode
from tests.support.scripted_registry import EXPIRED, NOT_YET, PASSWORD, STRANGER, Script, build_endpoint, run_registry


@pytest.fixture(params=["containerd-2", "containerd17"])
def real(node: ScratchNode, request: pytest.FixtureRequest) -> ScratchNode:
    found = sorted(cache_folder().glob(f"{request.param}*/ctr"))
    if not found:
        pytest.skip("no ctr in the cache: make build")
    node.use_ctr(found[-1])
    return node


def serve(node: ScratchNode, script: Script) -> Script:
    script.manifests = {path.name: path.read_bytes() for path in Path(node.ctr, "content").iterdir()}
    return script


def build_layout(node: ScratchNode, port: int, password: str = PASSWORD, digest: str = "") -> Layout:
    source = Source(base=FIXED_BASE, endpoint=build_endpoint(port, password=password))
    folder = build_hosts_folder([source], folder=FIXED_HOST)
    proof = build_proof(
        folder,
        reference=FIXED_BASE.build_reference(digest or node.manifest),
        address=source.endpoint.host,
        deadline_seconds=4,
    )
    return build_source_layout({FIXED_HOST: [source]}, [proof])


@pytest.mark.parametrize("auth", ["basic", "bearer", "none"])
def test_a_registry_that_answers_is_proven_with_its_own_credentials(real: ScratchNode, auth: str) -> None:
    script = serve(real, Script(auth=auth))
    with run_registry(script) as port:
        token = real.publish(plan(1, build_layout(real, port)))
        real.run()
    assert (witness(real).message, witness(real).result) == ("", WitnessResult.APPLIED)
    assert witness(real).token == token


FAILURES = {
    "auth": ({}, {"password": "wrong"}, {}),
    "bearer auth": ({"auth": "bearer", "token_status": 401}, {}, {}),
    "denied auth": ({"statuses": [403] * 9}, {}, {}),
    "not-found": ({}, {"digest": f"sha256:{'0' * 64}"}, {}),
    "rate-limited": ({"statuses": [429] * 40, "headers": {"Retry-After": "700"}}, {}, {}),
    "server": ({"statuses": [503] * 9}, {}, {}),
    "timeout": ({"hang": 8.0}, {}, {}),
    "tcp": ({"drop": True}, {}, {}),
    "tls": ({}, {}, {"authority": STRANGER}),
    "expired tls": ({}, {}, {"issued": EXPIRED}),
    "early tls": ({}, {}, {"issued": NOT_YET}),
    "plain tls": ({}, {}, {"tls": False}),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_each_failure_of_a_registry_has_its_class(real: ScratchNode, failure: str) -> None:
    behaviour, wanted, options = FAILURES[failure]
    script = serve(real, Script(**behaviour))  # type: ignore[arg-type]
    with run_registry(script, **options) as port:  # type: ignore[arg-type]
        real.publish(plan(1, build_layout(real, port, **wanted)))
        real.run()
    report = witness(real)
    assert (report.result, report.failure) == (WitnessResult.FAILING, FailureClass(failure.split()[-1])), report.message
    assert PASSWORD not in json.dumps(real.api.annotations)
    if failure == "rate-limited":
        not_before = int((real.keep / "trial").read_text().split("\n")[2])
        assert 690 <= not_before - datetime.now(UTC).timestamp() <= 880


def test_a_clock_that_differs_from_the_api_servers_is_named(real: ScratchNode) -> None:
    real.api.clock = -7200.0
    with run_registry(serve(real, Script()), issued=NOT_YET) as port:
        real.publish(plan(1, build_layout(real, port)))
        real.run()
    assert witness(real).failure is FailureClass.CLOCK
    assert "ahead of the API server's" in witness(real).message
