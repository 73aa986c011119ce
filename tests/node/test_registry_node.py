# SPDX-License-Identifier: Apache-2.0
"""The real registry-node in a scratch root, round by round.

Factors: what is live (nothing, an older layout, a user's own folder) x what the plan asks (same, newer, older, broken)
x what the registry answers x what is away (kubeconfig, API, Secret) x role of the node x when it is killed.
"""

import json
import os
import resource
import time

import pytest
from d8registry.model.cluster import FailureClass, WitnessResult
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Source
from d8registry.nodes import Layout

from tests.support.kubelet_api import SECRET_PATH
from tests.support.node_plans import (
    HOSTS,
    PASSWORD,
    build_source_layout,
    called,
    expected_files,
    layout,
    plan,
    source,
    witness,
)
from tests.support.scratch_node import ScratchNode, end_group, running


def stamp_live(node: ScratchNode) -> dict[str, tuple[int, int, int]]:
    found = {str(path): path.stat() for path in (node.live, *node.live.rglob("*"))}
    return {name: (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found.items()}


def test_a_new_plan_is_proven_written_and_reported(node: ScratchNode) -> None:
    wanted = layout(node)
    token = node.publish(plan(1, wanted))
    ran = node.run()
    assert ran.returncode == 0
    assert node.read_live() == expected_files(wanted), ran.stderr
    assert (witness(node).token, witness(node).result) == (token, WitnessResult.APPLIED)
    assert node.api.labels == {"registry.deckhouse.io/node-state": "applied"}
    fetched = called(node, "ctr")
    assert ["fetch-object" in call for call in fetched] == [True, False]
    assert "fetch-blob" in fetched[1]


def test_files_have_the_modes_of_the_plan(node: ScratchNode) -> None:
    node.publish(plan(1, layout(node)))
    node.run()
    modes = {path.name.partition("-")[0]: path.stat().st_mode & 0o777 for path in (node.live / FIXED_HOST).iterdir()}
    assert modes == {"hosts.toml": 0o600, "ca": 0o644}
    assert node.keep.stat().st_mode & 0o777 == 0o700


def test_a_second_run_asks_once_and_touches_nothing(node: ScratchNode) -> None:
    node.publish(plan(1, layout(node)))
    node.run()
    before = stamp_live(node)
    node.read_calls()
    node.api.requests.clear()
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    node.run()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert stamp_live(node) == before
    assert node.api.requests == [("GET", f"{SECRET_PATH}?resourceVersion=0", "application/json")]
    commands = [call[0] for call in node.read_calls()]
    assert commands.count("curl") == 1
    assert commands.count("stat") <= 3
    assert len(commands) <= 9, commands
    assert spent.ru_utime + spent.ru_stime - cpu.ru_utime - cpu.ru_stime < 0.15


def test_a_first_boot_without_a_kubeconfig_ends_quietly(node: ScratchNode) -> None:
    (node.root / "etc/kubernetes/kubelet.conf").unlink()
    ran = node.run()
    assert ran.returncode == 0
    assert "nothing to do before the kubelet has joined" in ran.stderr
    assert node.api.requests == []


@pytest.mark.parametrize("away", ["api", "secret"])
def test_nothing_changes_while_the_api_or_the_secret_is_away(node: ScratchNode, away: str) -> None:
    node.publish(plan(1, layout(node)))
    node.run()
    before = node.read_live()
    if away == "api":
        node.api.stop()
    else:
        node.api.publish(None)
    ran = node.run()
    assert ran.returncode == 0
    assert "nothing changes" in ran.stderr
    assert node.read_live() == before
    if away == "api":
        node.api.start()


MESSAGES = {
    "dns": 'ctr: failed to do request: Head "https://b/v2/x": dial tcp: lookup b on 10.0.0.10:53: no such host',
    "tcp": 'ctr: failed to do request: Head "https://b/v2/x": dial tcp 10.1.1.1:443: connect: connection refused',
    "tls": "ctr: tls: failed to verify certificate: x509: certificate signed by unknown authority",
    "auth": "ctr: unexpected status from HEAD request to https://b/v2/x/manifests/y?ns=z: 401 Unauthorized",
    "rate-limited": "ctr: unexpected status from GET request to https://b/v2/x: 429 Too Many Requests",
    "server": "ctr: unexpected status from GET request to https://b/v2/x: 503 Service Unavailable",
    "timeout": 'ctr: failed to do request: Get "https://b/v2/x": context deadline exceeded',
    "not-found": "ctr: registry.d8-system.svc:5001/system/deckhouse@sha256:00: not found",
    "disk": "ctr: write /var/lib/containerd/x: no space left on device",
    "other": "ctr: something that nobody has seen yet",
}


@pytest.mark.parametrize("failure", MESSAGES)
def test_a_failed_proof_leaves_what_is_live_and_says_why(node: ScratchNode, failure: str) -> None:
    old = layout(node)
    node.publish(plan(1, old))
    node.run()
    (node.ctr / "error").write_text(MESSAGES[failure] + "\n")
    token = node.publish(plan(2, layout(node, source("registry-c.test"))))
    ran = node.run()
    assert ran.returncode == 0
    assert node.read_live() == expected_files(old)
    report = witness(node)
    assert (report.token, report.result, report.failure) == (token, WitnessResult.FAILING, FailureClass(failure))
    assert "?ns=" not in report.message


def test_a_certificate_out_of_its_time_is_the_clock_only_if_the_api_disagrees_on_the_time(node: ScratchNode) -> None:
    text = "tls: x509: certificate has expired or is not yet valid: current time x is after y"
    (node.ctr / "error").write_text(text + "\n")
    node.publish(plan(1, layout(node)))
    node.run()
    assert witness(node).failure is FailureClass.TLS


def test_a_refused_password_is_tried_again_with_a_new_plan_only(node: ScratchNode) -> None:
    (node.ctr / "error").write_text(MESSAGES["auth"] + "\n")
    node.publish(plan(1, layout(node)))
    node.run()
    node.read_calls()
    node.run()
    assert called(node, "ctr") == []
    (node.ctr / "error").unlink()
    token = node.publish(plan(2, layout(node)))
    node.run()
    assert (witness(node).token, witness(node).result) == (token, WitnessResult.APPLIED)


def test_other_failures_are_tried_again_after_a_pause(node: ScratchNode) -> None:
    (node.ctr / "error").write_text(MESSAGES["server"] + "\n")
    token = node.publish(plan(1, layout(node)))
    node.run()
    (node.ctr / "error").unlink()
    node.read_calls()
    node.run()
    assert called(node, "ctr") == []
    lines = (node.keep / "trial").read_text().split("\n")
    assert 2 <= int(lines[2]) - time.time() <= 7
    (node.keep / "trial").write_text("\n".join([*lines[:2], "0", *lines[3:]]))
    node.run()
    assert (witness(node).token, witness(node).result) == (token, WitnessResult.APPLIED)


def test_content_that_does_not_have_the_digest_proves_nothing(node: ScratchNode) -> None:
    (node.ctr / "content" / node.manifest).write_text('{"layers":[]}')
    node.publish(plan(1, layout(node)))
    node.run()
    assert witness(node).result is WitnessResult.FAILING
    assert "something else" in witness(node).message
    assert node.read_live() == {}


def test_a_passed_proof_is_not_repeated_until_the_plan_forgets_it(node: ScratchNode) -> None:
    proven = layout(node)
    node.publish(plan(1, proven))
    node.run()
    node.read_calls()
    token = node.publish(plan(2, proven))
    node.run()
    assert witness(node).token == token
    assert called(node, "ctr") == []
    node.publish(plan(3, Layout(folders=proven.folders)))
    node.run()
    node.publish(plan(4, proven))
    node.read_calls()
    node.run()
    assert len(called(node, "ctr")) == 2


def test_an_index_is_followed_to_the_image_of_this_machine(node: ScratchNode) -> None:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    other = {"digest": f"sha256:{'0' * 64}", "platform": {"os": "linux", "architecture": "s390x"}}
    mine = {"digest": node.manifest, "platform": {"os": "linux", "architecture": machine}}
    node.publish(plan(1, layout(node, digest=node.add_manifest({"manifests": [other, mine]}))))
    node.run()
    assert witness(node).result is WitnessResult.APPLIED
    fetched = called(node, "ctr")
    assert [node.manifest in call for call in fetched] == [False, True, False]


@pytest.mark.parametrize("is_plain", [True, False], ids=["plain layers", "layers with annotations"])
@pytest.mark.parametrize("indent", [None, 3], ids=["dense", "spread"])
def test_the_smallest_layer_is_found_however_the_manifest_is_written(
    node: ScratchNode, is_plain: bool, indent: int | None
) -> None:
    layers = [node.add_layer(b"x" * size) for size in (4000, 90, 7, 500)]
    smallest = str(layers[2]["digest"])
    if not is_plain:
        layers[1]["annotations"] = {"size": "1", "note": '}, {"size": 2'}
    document = {"annotations": {"note": '"layers": [{"size": 1}]'}, "layers": layers, "config": {"size": 3}}
    manifest = node.add_manifest(document, indent=indent)
    node.publish(plan(1, layout(node, digest=manifest)))
    node.run()
    assert witness(node).result is WitnessResult.APPLIED
    calls = node.read_calls()
    assert [call[-1] for call in calls if call[0] == "ctr" and "fetch-blob" in call] == [smallest]
    # The plan and the report are read and written by jq, too.
    assert len([call for call in calls if call[0] == "jq"]) == (2 if is_plain else 3)


@pytest.mark.parametrize(
    ("document", "failure", "said"),
    [
        ({"manifests": []}, FailureClass.NOT_FOUND, "has no image for linux"),
        ({"layers": []}, FailureClass.OTHER, "has no layer"),
        ({"fsLayers": []}, FailureClass.OTHER, "is not JSON of an image"),
        ("text", FailureClass.OTHER, "is not JSON of an image"),
    ],
    ids=["an index of other machines", "no layer", "an old schema", "no object"],
)
def test_a_manifest_that_leads_nowhere_is_named(
    node: ScratchNode, document: object, failure: FailureClass, said: str
) -> None:
    node.publish(plan(1, layout(node, digest=node.add_manifest(document))))
    node.run()
    assert witness(node).failure is failure
    assert said in witness(node).message


@pytest.mark.parametrize("is_master", [True, False], ids=["master", "worker"])
def test_only_masters_pull_and_pin(node: ScratchNode, is_master: bool) -> None:
    pull = FIXED_BASE.build_reference(f"sha256:{'a' * 64}")
    if is_master:
        node.api.labels["node-role.kubernetes.io/control-plane"] = ""
    node.publish(plan(1, layout(node, pulls=(pull,))))
    node.run()
    assert witness(node).result is WitnessResult.APPLIED
    calls = called(node, "ctr")
    assert any(f"images pull --hosts-dir {node.keep}" in call and pull in call for call in calls) is is_master
    assert any(f"--label io.cri-containerd.pinned=pinned {pull}" in call for call in calls) is is_master
    node.publish(plan(2, Layout(folders=layout(node).folders)))
    node.run()
    calls = called(node, "ctr")
    assert any(call.endswith(f"images label {pull} io.cri-containerd.pinned=") for call in calls) is is_master


def test_a_canary_takes_its_own_layout(node: ScratchNode) -> None:
    steady, canary = layout(node), layout(node, source("registry-c.test"), source())
    token = node.publish(plan(1, steady, canary))
    node.run()
    assert node.read_live() == expected_files(canary)
    assert witness(node).token == token == plan(1, steady, canary).build_token("candidate")


def test_a_plan_older_than_what_was_applied_changes_nothing(node: ScratchNode) -> None:
    newer = layout(node)
    node.publish(plan(7, newer))
    node.run()
    token = node.publish(plan(6, layout(node, source("registry-c.test"))))
    node.run()
    assert node.read_live() == expected_files(newer)
    assert (witness(node).token, witness(node).result) == (token, WitnessResult.RESTORED)
    token = node.publish(plan(8, newer))
    node.run()
    assert (witness(node).token, witness(node).result) == (token, WitnessResult.APPLIED)


def test_a_cache_that_lags_behind_is_not_taken_for_a_restored_plan(node: ScratchNode) -> None:
    node.publish(plan(1, layout(node)))
    older = (str(node.api.plan), node.api.secret_version)
    newer = layout(node, source("registry-c.test"))
    token = node.publish(plan(2, newer))
    node.run()
    node.api.cached = older
    node.run()
    assert node.read_live() == expected_files(newer)
    assert (witness(node).token, witness(node).result) == (token, WitnessResult.APPLIED)
    assert not (node.keep / "restored").exists()
    assert not list((node.keep / "layouts").glob(".*"))


def test_a_new_plan_costs_the_api_server_two_requests(node: ScratchNode) -> None:
    pull = FIXED_BASE.build_reference(f"sha256:{'a' * 64}")
    node.publish(plan(1, layout(node, pulls=(pull,))))
    node.run()
    node.api.requests.clear()
    node.publish(plan(2, layout(node, source("registry-c.test"), pulls=(pull,))))
    node.run()
    assert witness(node).result is WitnessResult.APPLIED
    assert [method for method, _, _ in node.api.requests] == ["GET", "PATCH"]


def test_a_cache_that_lags_behind_does_not_show_a_refused_password_again(node: ScratchNode) -> None:
    node.publish(plan(1, layout(node)))
    older = (str(node.api.plan), node.api.secret_version)
    node.run()
    (node.ctr / "error").write_text("ctr: unexpected status from HEAD request to https://r/v2/x: 401 Unauthorized\n")
    token = node.publish(plan(2, layout(node, source("registry-c.test"))))
    node.run()
    node.api.cached = older
    node.run()
    node.api.cached = None
    node.read_calls()
    node.run()
    assert called(node, "ctr") == []
    assert (witness(node).token, witness(node).failure) == (token, FailureClass.AUTH)


def test_a_node_that_became_a_master_pulls_and_pins_what_is_live_already(node: ScratchNode) -> None:
    pull = FIXED_BASE.build_reference(f"sha256:{'a' * 64}")
    node.publish(plan(1, layout(node, pulls=(pull,))))
    node.run()
    node.api.labels["node-role.kubernetes.io/control-plane"] = ""
    token = node.publish(plan(2, layout(node, source("registry-c.test"), pulls=(pull,))))
    node.run()
    assert not any("images pull" in call for call in called(node, "ctr"))
    node.run()
    assert any("images pull" in call and pull in call for call in called(node, "ctr"))
    assert (witness(node).token, witness(node).result) == (token, WitnessResult.APPLIED)


@pytest.mark.parametrize("name", ["hosts.toml", "mode", "folder"])
def test_drift_is_put_back(node: ScratchNode, name: str) -> None:
    wanted = layout(node)
    node.publish(plan(1, wanted))
    node.run()
    path = node.live / HOSTS
    if name == "mode":
        path.chmod(0o644)
    elif name == "folder":
        path.unlink()
    else:
        path.write_text('server = "https://elsewhere"\n')
    node.run()
    assert node.read_live() == expected_files(wanted)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_foreign_write_while_the_run_asks_the_api_is_put_back_by_that_run(node: ScratchNode) -> None:
    wanted = layout(node)
    node.publish(plan(1, wanted))
    node.run()
    node.api.before_answer = lambda: (node.live / HOSTS).write_text("foreign")
    node.run()
    assert node.read_live() == expected_files(wanted)


def test_what_the_plan_drops_is_removed_and_nothing_else(node: ScratchNode) -> None:
    real = source()
    folders = {FIXED_HOST: [real], "registry-b.test": [Source(base=real.endpoint.base, endpoint=real.endpoint)]}
    node.publish(plan(1, build_source_layout(folders)))
    node.run()
    assert "registry-b.test/hosts.toml" in node.read_live()
    (node.live / "users.test").mkdir()
    (node.live / "users.test/hosts.toml").write_text("mine")
    (node.live / FIXED_HOST / "client.key").write_text("mine too")
    wanted = layout(node, source("registry-c.test", ca="other\n"))
    node.publish(plan(2, wanted))
    node.run()
    assert "registry-b.test/hosts.toml" not in node.read_live()
    # A pull that has read the old hosts.toml a moment ago still finds the CA files that it names.
    assert any(name.startswith("registry-b.test/ca-") for name in node.read_live())
    node.run()
    foreign = {"users.test/hosts.toml": "mine", f"{FIXED_HOST}/client.key": "mine too"}
    assert node.read_live() == {**expected_files(wanted), **foreign}
    assert not (node.live / "registry-b.test").exists()


def test_a_users_folder_for_the_same_host_is_left_alone_and_reported(node: ScratchNode) -> None:
    (node.live / FIXED_HOST).mkdir(parents=True)
    (node.live / HOSTS).write_text("the user's")
    node.publish(plan(1, layout(node)))
    node.run()
    assert node.read_live() == {HOSTS: "the user's"}
    assert witness(node).result is WitnessResult.FAILING
    assert "made by someone else" in witness(node).message


def test_a_folder_of_the_platforms_own_step_is_handed_over(node: ScratchNode) -> None:
    (node.live / FIXED_HOST).mkdir(parents=True)
    (node.live / HOSTS).write_text("the platform's")
    (node.live / "deckhouse_hosts_state.json").write_text(json.dumps([FIXED_HOST]))
    wanted = layout(node)
    node.publish(plan(1, wanted))
    node.run()
    assert node.read_live().items() >= expected_files(wanted).items()


def test_two_runs_at_once_are_one(node: ScratchNode) -> None:
    node.publish(plan(1, layout(node)))
    (node.ctr / "wait").touch()
    first = node.start()
    try:
        deadline = time.monotonic() + 10
        while not (node.ctr / "waiting").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        second = node.run()
        assert second.returncode == 0
        assert "another run is under way" in second.stderr
        assert node.read_live() == {}
    finally:
        (node.ctr / "wait").unlink()
    first.communicate(timeout=10)
    end_group(first)
    assert witness(node).result is WitnessResult.APPLIED


def test_no_password_is_in_arguments_log_or_report(node: ScratchNode) -> None:
    (node.ctr / "error").write_text(f"ctr: the server repeats {PASSWORD} in its answer: 500 Internal Server Error\n")
    node.publish(plan(1, layout(node)))
    failing = node.run()
    (node.ctr / "error").unlink()
    node.publish(plan(2, layout(node)))
    passing = node.run()
    assert witness(node).result is WitnessResult.APPLIED
    arguments = "\n".join("\n".join(call) for call in node.read_calls())
    assert "fetch-blob" in arguments
    status = node.run("status")
    assert status.returncode == 0
    assert "registry-b.test" in status.stdout
    seen = [arguments, failing.stderr, passing.stderr, status.stdout, json.dumps(node.api.annotations)]
    for place in seen:
        assert "pass|word" not in place


@pytest.mark.parametrize("broken", ["not json", '{"schema":2}', "name"])
def test_a_plan_that_is_not_understood_changes_nothing(node: ScratchNode, broken: str) -> None:
    wanted = layout(node)
    node.publish(plan(1, wanted))
    node.run()
    assert node.api.plan is not None
    node.api.publish(node.api.plan.replace(FIXED_HOST, "../../x") if broken == "name" else broken)
    ran = node.run()
    assert "not understood, nothing changes" in ran.stderr
    assert "pass|word" not in ran.stderr
    assert node.read_live() == expected_files(wanted)
    assert witness(node).result is WitnessResult.FAILING


def test_the_timer_follows_the_interval_of_the_plan(node: ScratchNode) -> None:
    drop_in = node.root / "run/systemd/system/registry-node.timer.d/50-plan.conf"
    node.publish(plan(1, layout(node), interval=5))
    node.run()
    assert "OnUnitInactiveSec=\nOnUnitInactiveSec=5s\n" in drop_in.read_text()
    assert [call for call in called(node, "systemctl") if "show" not in call] == [
        "systemctl daemon-reload",
        "systemctl --no-block restart registry-node.timer registry-node.path",
    ]
    node.publish(plan(2, layout(node), interval=20))
    node.run()
    assert "OnUnitInactiveSec=20s\n" in drop_in.read_text()
    assert "systemctl --no-block restart registry-node.timer" in called(node, "systemctl")
    node.run()
    assert [call for call in called(node, "systemctl") if "show" not in call] == []


CRI = {
    "1.7": '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/registry.d"\n',
    "2.x": "[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/registry.d'\n",
    "off": "[plugins.'io.containerd.cri.v1.images'.registry]\n[plugins.'x'.registry.mirrors]\n",
    "foreign": "[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/mine'\n",
    "elsewhere": "[plugins.'io.containerd.transfer.v1.local']\nconfig_path = '/etc/containerd/registry.d'\n",
}


@pytest.mark.parametrize(
    ("config", "config_path", "custom"),
    [
        ("1.7", True, False),
        ("2.x", True, False),
        ("off", False, False),
        ("foreign", False, True),
        ("elsewhere", False, False),
    ],
)
def test_the_configuration_that_containerd_started_with_is_reported(
    node: ScratchNode, config: str, config_path: bool, custom: bool
) -> None:
    (node.root / "etc/containerd").mkdir()
    (node.root / "etc/containerd/config.toml").write_text(CRI[config])
    with running(node):
        node.publish(plan(1, layout(node)))
        node.run()
        assert (witness(node).config_path, witness(node).custom_config) == (config_path, custom)


def test_a_configuration_written_after_the_start_waits_for_a_restart(node: ScratchNode) -> None:
    path = node.root / "etc/containerd/config.toml"
    path.parent.mkdir()
    path.write_text(CRI["off"])
    with running(node):
        node.publish(plan(1, layout(node)))
        node.run()
        path.write_text(CRI["2.x"])
        later = time.time() + 10
        os.utime(path, (later, later))
        node.run()
        assert witness(node).config_path is False
    os.utime(path, (1, 1))
    with running(node):
        node.run()
        assert witness(node).config_path is True


def test_registry_settings_in_a_drop_in_are_custom(node: ScratchNode) -> None:
    folder = node.root / "etc/containerd/conf.d"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text('[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\n')
    node.publish(plan(1, layout(node)))
    node.run()
    assert witness(node).custom_config is True


def test_a_report_that_got_lost_is_written_again(node: ScratchNode) -> None:
    node.publish(plan(1, layout(node)))
    node.run()
    node.api.annotations.clear()
    told = node.root / "run/registry-node/told"
    os.utime(told, (1, 1))
    node.run()
    assert witness(node).result is WitnessResult.APPLIED
