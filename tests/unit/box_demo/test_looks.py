# SPDX-License-Identifier: Apache-2.0
"""What the demo and the load read of nodes, pods and events: folders, names, outcomes, the edit."""

import base64
import json
from typing import Any

import pytest
import yaml

from box.demo.client import SCRIPT, build_client_pod, read_client
from box.demo.folders import judge_folders
from box.demo.prerequisites import list_lacks
from box.load.pods import build_pull_pod, find_pull_failure, is_cut_off, read_outcome
from box.load.pulls import Outcome
from box.scenario.edit import Target, build_direct, build_module_config, render_shown, render_yaml
from box.watch.fleet import read_fleet

FIXED = "registry.d8-system.svc:5001"
REAL = "registry-a.box.test"
SECRETS = ("pa55", "user:pa55")
GOOD = f"""server = "https://{REAL}"
[host."https://{REAL}"]
capabilities = ["pull", "resolve"]
[host."https://{REAL}".auth]
username = "user"
password = "pa55"
"""


def judge(**folders: dict[str, str]) -> tuple[str, ...]:
    named = {{"fixed": FIXED, "real": REAL}.get(key, key): files for key, files in folders.items()}
    return judge_folders(named, REAL, ["users.test"], SECRETS)


def test_a_clean_node_has_no_problem() -> None:
    folders = {"fixed": {"hosts.toml": GOOD, "ca.crt": "PEM"}, "real": {"hosts.toml": f'server = "https://{REAL}"\n'}}
    assert judge(**folders) == ()


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        pytest.param({}, "hosts.toml is missing", id="nothing there"),
        pytest.param({"fixed": {"hosts.toml": "= ["}}, "is not TOML", id="broken file"),
        pytest.param(
            {"fixed": {"hosts.toml": GOOD + '[host."https://registry-b.box.test"]\n'}},
            "sources, not one",
            id="two hosts",
        ),
        pytest.param(
            {"fixed": {"hosts.toml": 'server = "https://registry-b.box.test"\n'}}, "leads to", id="another registry"
        ),
        pytest.param(
            {
                "fixed": {"hosts.toml": GOOD},
                "real": {"hosts.toml": '[host."https://h".auth]\nusername = "u"\npassword = "x"\n'},
            },
            f"{REAL}/hosts.toml still holds credentials",
            id="old credential on a node",
        ),
        pytest.param({"fixed": {"hosts.toml": GOOD}, "old.test": {}}, "folder old.test is left over", id="left over"),
        pytest.param(
            {"fixed": {"hosts.toml": GOOD}, "users.test": {"x": base64.b64encode(b"user:pa55").decode()}},
            "users.test/x holds a registry credential",
            id="credential elsewhere",
        ),
    ],
)
def test_each_fault_of_a_node_is_told(folders: dict[str, dict[str, str]], words: str) -> None:
    problems = judge(**folders)
    assert any(words in one for one in problems)
    assert not any("pa55" in one for one in problems)


def test_a_folder_of_the_user_may_stay() -> None:
    assert judge(fixed={"hosts.toml": GOOD}, **{"users.test": {"hosts.toml": 'server = "https://u"\n'}}) == ()


@pytest.mark.parametrize(
    ("container", "outcome"),
    [
        pytest.param({"state": {"waiting": {"reason": "ErrImagePull", "message": "401"}}}, Outcome.FAILED, id="failed"),
        pytest.param({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, Outcome.FAILED, id="backed off"),
        pytest.param({"state": {"waiting": {"reason": "CreateContainerError"}}}, Outcome.UNCLEAR, id="not created"),
        pytest.param({"state": {"running": {}}, "imageID": "x"}, Outcome.PULLED, id="running"),
        pytest.param({"state": {"terminated": {}}, "imageID": "x"}, Outcome.PULLED, id="ended"),
        pytest.param({"state": {"terminated": {}}, "imageID": ""}, Outcome.UNCLEAR, id="ended without an image"),
    ],
)
def test_the_kubelets_words_tell_the_outcome(container: dict[str, Any], outcome: Outcome) -> None:
    found = read_outcome({"status": {"containerStatuses": [container]}})
    assert found is not None
    assert found[0] is outcome


def test_a_container_that_is_being_created_has_no_outcome_yet() -> None:
    waiting = {"state": {"waiting": {"reason": "ContainerCreating"}}}
    assert read_outcome({"status": {"phase": "Pending", "containerStatuses": [waiting]}}) is None


def test_a_failed_try_stays_in_the_events_after_a_retry_succeeded() -> None:
    events = [
        {"reason": "Pulled", "message": "Successfully pulled image", "firstTimestamp": "2026-11-23T12:00:11Z"},
        {"reason": "Failed", "message": "Failed to pull image: 401", "firstTimestamp": "2026-11-23T12:00:01Z"},
    ]
    assert find_pull_failure(events) == "event Failed: Failed to pull image: 401"
    assert find_pull_failure(events[:1]) == ""


def test_a_pull_pod_always_pulls_with_its_namespaces_secret_on_its_node() -> None:
    spec = build_pull_pod("p", "d8-monitoring", "worker-1", "h/x@sha256:1")["spec"]
    assert spec["nodeName"] == "worker-1"
    assert spec["imagePullSecrets"] == [{"name": "deckhouse-registry"}]
    assert spec["containers"][0]["imagePullPolicy"] == "Always"


def make_plan(**canaries: Any) -> dict[str, Any]:
    layouts = {"steady": {"token": "1.a.b"}, "candidate": {"token": "1.a.c"}}
    plan = {"default": "steady", "canaries": canaries or None, "layouts": layouts}
    return {"data": {"plan": base64.b64encode(json.dumps(plan).encode()).decode()}}


def make_node(name: str, token: str, result: str = "applied") -> dict[str, Any]:
    report = json.dumps({"token": token, "result": result, "class": "auth", "message": "401"})
    return {"metadata": {"name": name, "annotations": {"registry.deckhouse.io/node-report": report}}}


def test_nodes_are_done_when_they_report_the_token_meant_for_them() -> None:
    nodes = [make_node("master-0", "1.a.c"), make_node("worker-0", "1.a.b"), make_node("worker-1", "1.a.b", "failing")]
    fleet = read_fleet(make_plan(layout="candidate", nodes=["master-0"]), nodes)
    assert (fleet.done, fleet.total, fleet.open) == (2, 3, ("worker-1: failing auth 401",))
    assert read_fleet(make_plan(), nodes).open == ("master-0: another token", "worker-1: failing auth 401")
    assert read_fleet(None, nodes).done == 0


def test_the_edit_is_shown_without_the_password_and_applied_with_it() -> None:
    ca = "-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n"
    target = Target(images_repo=f"{REAL}/deckhouse/ee", username="user", password="pa55", ca=ca)
    seen = {
        "spec": {"version": 1, "enabled": True, "settings": {"bundle": "Default", "registry": {"mode": "Unmanaged"}}}
    }
    document = build_module_config(seen, build_direct(target))
    assert yaml.safe_load(render_yaml(document)) == document
    assert document["spec"]["settings"]["bundle"] == "Default"
    assert document["spec"]["settings"]["registry"]["direct"]["password"] == "pa55"
    shown = render_shown(document)
    assert "pa55" not in shown
    assert "AAAA" not in shown
    assert "imagesRepo: registry-a.box.test/deckhouse/ee" in shown


def test_the_client_keeps_credentials_out_of_its_arguments_and_its_script_compiles() -> None:
    compile(SCRIPT, "client", "exec")
    (container,) = build_client_pod("c", "i", "sha256:m", "sha256:l")["spec"]["containers"]
    assert container["command"][3:] == ["sha256:m", "sha256:l"]
    assert "env" not in container


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        pytest.param('{"host": "h", "manifest": 5, "blob": 6}', False, id="read both"),
        pytest.param('{"error": "HTTPError: 401"}', True, id="refused"),
        pytest.param("", True, id="killed"),
    ],
)
def test_the_clients_message_tells_how_it_went(message: str, problem: bool) -> None:
    ended = {"state": {"terminated": {"message": message, "exitCode": 1}}}
    found = read_client({"status": {"containerStatuses": [ended]}})
    assert found is not None
    assert bool(found[0]) is problem


def test_everything_that_the_machine_lacks_is_said_at_once() -> None:
    lacks = list_lacks(1000, lambda name: None if name == "ip" else "/bin/x", {"/var": 2**30})
    assert [one.split(":")[0] for one in lacks] == ["root", "program ip", "disk"]
    assert list_lacks(0, lambda _: "/bin/x", {"/var": 2**40}) == ()


@pytest.mark.parametrize(
    ("reason", "cut"),
    [
        ("ErrImagePull: rpc error: code = Unavailable desc = error reading from server: EOF", True),
        ("dial unix /run/containerd/containerd.sock: connect: connection refused", True),
        ("ErrImagePull: dial tcp 10.111.0.100:443: connect: connection refused", False),
        ("ErrImagePull: failed to copy: httpReadSeeker: unexpected EOF", False),
    ],
)
def test_only_the_kubelets_connection_to_containerd_counts_as_cut(reason: str, cut: bool) -> None:
    assert is_cut_off(reason) is cut
