# SPDX-License-Identifier: Apache-2.0
"""registry-node rescue: a source by hand, without the module and without the API."""

import base64
import json
import subprocess
import tomllib
from collections.abc import Iterator

import pytest
from d8registry.model.cluster import WitnessResult
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST

from tests.support.node_plans import HOSTS, PASSWORD, expected_files, layout, plan, source, witness
from tests.support.scratch_node import ScratchNode, running

OTHER = f"{FIXED_HOST}/other"
SOURCE = ("--source", "https://rescue.test:5000/mirror/ee", "--user", "night")


@pytest.fixture
def broken(node: ScratchNode) -> Iterator[ScratchNode]:
    """A node that pulls by a plan, whose API server is away."""
    (node.root / "etc/containerd").mkdir()
    (node.root / "etc/containerd/config.toml").write_text(
        "[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/registry.d'\n"
    )
    with running(node):
        node.publish(plan(1, layout(node)))
        node.run()
        node.api.stop()
        yield node
    node.api.start()


def rescue(node: ScratchNode, *arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    return node.run("rescue", *arguments, given=password + "\n")


def test_a_source_by_hand_is_proven_and_installed_without_the_api(broken: ScratchNode) -> None:
    ca = broken.folder / "ca.crt"
    ca.write_text("-----BEGIN CERTIFICATE-----\nrescue\n-----END CERTIFICATE-----\n")
    ran = rescue(broken, "install", *SOURCE, "--ca", str(ca))
    assert ran.returncode == 0, ran.stderr
    parsed = tomllib.loads((broken.live / HOSTS).read_text())
    assert parsed["server"] == "https://rescue.test:5000"
    assert parsed["auth"] == {"username": "night", "password": PASSWORD}
    assert parsed["rewrite"] == [{"regex": "^system/deckhouse", "replace": "mirror/ee"}]
    assert (broken.live / FIXED_HOST / parsed["ca"][0]).read_text() == ca.read_text()
    assert (broken.live / HOSTS).stat().st_mode & 0o777 == 0o600
    fetched = [call for call in broken.read_calls() if call[0] == "ctr" and "fetch-object" in call]
    assert FIXED_BASE.build_reference(broken.manifest) in fetched[-1]
    assert "rescue undo" in ran.stdout


def test_the_kubelet_gets_credentials_of_its_own_beside_what_it_had(broken: ScratchNode) -> None:
    path = broken.root / "var/lib/kubelet/config.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"auths":{"users.test":{"auth":"eDp5"}}}')
    assert "systemctl restart kubelet" in rescue(broken, "install", *SOURCE).stdout
    auths = json.loads(path.read_text())["auths"]
    assert base64.b64decode(auths[str(FIXED_BASE)]["auth"]).decode() == f"night:{PASSWORD}"
    assert "users.test" in auths
    assert path.stat().st_mode & 0o777 == 0o600
    rescue(broken, "undo")
    assert json.loads(path.read_text()) == {"auths": {"users.test": {"auth": "eDp5"}}}


def test_undo_leaves_what_somebody_wrote_into_the_kubelets_credentials_meanwhile(broken: ScratchNode) -> None:
    path = broken.root / "var/lib/kubelet/config.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"auths": {str(FIXED_BASE): {"auth": "eDp5"}}}))
    rescue(broken, "install", *SOURCE)
    rescue(broken, "install", *SOURCE, password="another")
    rescue(broken, "install", *SOURCE, "--base", OTHER, "--reference", broken.manifest)
    auths = json.loads(path.read_text())["auths"]
    assert base64.b64decode(auths[str(FIXED_BASE)]["auth"]).decode() == "night:another"
    assert OTHER in auths
    path.write_text(json.dumps({"auths": {**auths, "users.test": {"auth": "meanwhile"}}, "credHelpers": {}}))
    rescue(broken, "undo")
    left = {"auths": {str(FIXED_BASE): {"auth": "eDp5"}, "users.test": {"auth": "meanwhile"}}, "credHelpers": {}}
    assert json.loads(path.read_text()) == left
    assert not (broken.keep / "kubelet.json").exists()


def test_credentials_that_are_not_json_any_more_are_named_and_left(broken: ScratchNode) -> None:
    path = broken.root / "var/lib/kubelet/config.json"
    rescue(broken, "install", *SOURCE)
    path.write_text("broken")
    ran = rescue(broken, "undo")
    assert ran.returncode != 0
    assert f"{path} is not JSON any more" in ran.stderr
    assert path.read_text() == "broken"
    path.unlink()
    assert rescue(broken, "undo").returncode == 0


def test_undo_brings_back_what_the_plan_says(broken: ScratchNode) -> None:
    rescue(broken, "install", *SOURCE)
    assert rescue(broken, "undo").returncode == 0
    broken.run()
    assert broken.read_live() == expected_files(layout(broken))
    assert not (broken.root / "var/lib/kubelet/config.json").exists()
    assert not [path for path in (broken.keep / "layouts").iterdir() if "rescue" in path.name]


def test_a_source_that_does_not_answer_changes_nothing(broken: ScratchNode) -> None:
    before = broken.read_live()
    (broken.ctr / "error").write_text("ctr: unexpected status from HEAD request to https://r/v2/x: 401 Unauthorized\n")
    ran = rescue(broken, "install", *SOURCE)
    assert ran.returncode != 0
    assert "nothing is changed (auth)" in ran.stderr
    assert broken.read_live() == before
    assert not (broken.root / "var/lib/kubelet/config.json").exists()


def test_rounds_keep_the_rescue_and_say_so_until_a_plan_with_proofs_passes(broken: ScratchNode) -> None:
    rescue(broken, "install", *SOURCE)
    broken.api.start()
    try:
        rescued = broken.read_live()
        (broken.live / HOSTS).write_text("drift")
        broken.run()
        assert broken.read_live() == rescued
        assert (witness(broken).result, "rescue" in witness(broken).message) == (WitnessResult.FAILING, True)
        wanted = layout(broken, source("registry-c.test"))
        token = broken.publish(plan(2, wanted))
        broken.run()
        broken.run()
        assert (witness(broken).token, witness(broken).result) == (token, WitnessResult.APPLIED)
        assert broken.read_live() == expected_files(wanted)
    finally:
        broken.api.stop()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("install",), "--source takes"),
        (("install", "--source", "https://r.test"), "--source takes"),
        (("install", "--source", "ftp://r.test/x"), "--source takes"),
        (("install", "--source", 'https://r.test/x"\n[host]'), "--source takes"),
        (("install", "--source", "https://r.test/x", "--base", "r"), "--base takes"),
        (("install", "--source", "https://r.test/x", "--ca", "/dev/null"), "--ca /dev/null"),
        (("install", "--password", "x"), "not understood"),
        (("sing",), "not understood"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_meant_is_refused_with_a_reason(
    broken: ScratchNode, arguments: tuple[str, ...], complaint: str
) -> None:
    before = broken.read_live()
    ran = rescue(broken, *arguments)
    assert ran.returncode == 2
    assert complaint in ran.stderr
    assert broken.read_live() == before


def test_no_password_is_an_argument_or_printed(broken: ScratchNode) -> None:
    ran = rescue(broken, "install", *SOURCE)
    arguments = "\n".join("\n".join(call) for call in broken.read_calls())
    assert "install" in arguments
    for place in (arguments, ran.stdout, ran.stderr, broken.run("status").stdout):
        assert "pass|word" not in place


def test_status_tells_of_the_rescue_and_of_its_source(broken: ScratchNode) -> None:
    rescue(broken, "install", *SOURCE)
    told = broken.run("status").stdout
    assert "RESCUE:" in told
    assert 'https://rescue.test:5000, path "mirror/ee"' in told


def test_the_procedure_is_printed_without_anything_installed(node: ScratchNode) -> None:
    told = node.run("rescue", "help")
    assert told.returncode == 0
    for step in ("rescue install --source", "systemctl restart kubelet", "ModuleConfig deckhouse", "rescue undo"):
        assert step in told.stdout


def test_a_kubelet_whose_own_settings_have_that_name_is_left_alone(broken: ScratchNode) -> None:
    path = broken.root / "var/lib/kubelet/config.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"kind":"KubeletConfiguration"}')
    ran = rescue(broken, "install", *SOURCE)
    assert ran.returncode == 0
    assert "is left alone" in ran.stderr
    rescue(broken, "undo")
    assert path.read_text() == '{"kind":"KubeletConfiguration"}'
