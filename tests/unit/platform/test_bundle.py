# SPDX-License-Identifier: Apache-2.0
"""The bundle of a node group: order, selection, template literals, and step 030 as bash runs it."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from box.platform.containerd_step import render_containerd_config, render_containerd_step
from box.platform.go_template import TemplateError, render_literals
from box.platform.registry_config import Mirror, RegistryConfig
from box.platform.registry_step import SYSTEM_CA, render_ca_step, render_registry_step
from box.platform.steps import build_bundle, write_bundle

NODE = Path(__file__).resolve().parents[3] / "box/platform/node"
CONFIG = RegistryConfig(version="v1", hosts=(("real.test", (Mirror(host="real.test", scheme="https", ca="PEM"),)),))


def build_configuration(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"content": "true\n", "nodeGroups": ["*"], "bundles": ["*"], **spec},
    }


def test_steps_run_by_weight_and_those_of_other_groups_and_bundles_are_left_out() -> None:
    configurations = [
        build_configuration("late.sh"),
        build_configuration("early.sh", weight=5),
        build_configuration("workers.sh", nodeGroups=["worker"]),
        build_configuration("masters.sh", nodeGroups=["master"]),
        build_configuration("other-system.sh", bundles=["centos"]),
    ]
    assert [step.name for step in build_bundle("worker", configurations, CONFIG)] == [
        "000_wait_for_approval.sh",
        "001_set_registry_version.sh",
        "005_add_registry_ca.sh",
        "005_early.sh",
        "030_configure_containerd_registry.sh",
        "032_configure_containerd.sh",
        "033_start_containerd.sh",
        "034_import_pause_image.sh",
        "064_start_kubelet.sh",
        "100_late.sh",
        "100_workers.sh",
    ]


def test_the_checksum_of_a_bundle_follows_its_text() -> None:
    one = json.loads(write_bundle(build_bundle("worker", [build_configuration("a.sh")], CONFIG)))
    same = json.loads(write_bundle(build_bundle("worker", [build_configuration("a.sh")], CONFIG)))
    other = json.loads(write_bundle(build_bundle("worker", [build_configuration("a.sh", content="false")], CONFIG)))
    assert one["checksum"] == same["checksum"] != other["checksum"]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain $x }} text\n", "plain $x }} text\n"),
        ('a {{ "{{" }} b', "a {{ b"),
        ('a {{ "{{ x }}" }} b', "a {{ x }} b"),
        ("a {{`{{ raw \\ }}`}} b", "a {{ raw \\ }} b"),
        ('a  {{- "b" -}}  c', "abc"),
        ("a{{/* gone */}}b", "ab"),
        ('{{ "\\"q\\"" }}', '"q"'),
    ],
)
def test_literals_of_go_templates_are_rendered(template: str, text: str) -> None:
    assert render_literals(template) == text


@pytest.mark.parametrize("template", ["x\n{{ .cri }}", "x\n{{ if true }}y{{ end }}", "x\n{{ 7 }}", 'x\n{{ "open" '])
def test_anything_else_is_refused_with_its_line(template: str) -> None:
    with pytest.raises(TemplateError, match="line 2"):
        render_literals(template)


def run_step(root: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a step as the node's runner does, with every absolute folder below `root`."""
    for folder in ("etc/containerd/registry.d", "state"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    jq = shutil.which("jq")
    assert jq
    text = text.replace("/etc/containerd", f"{root}/etc/containerd").replace("/opt/deckhouse/bin/jq", jq)
    (root / "step.sh").write_text(text)
    command = 'source "$1/bashbooster.sh"; source "$2"; bb-finish-step'
    return subprocess.run(
        ["bash", "-Eeuo", "pipefail", "-c", command, "bashible", str(NODE), str(root / "step.sh")],
        env={"PATH": "/usr/bin:/bin", "BB_WORKSPACE": str(root / "state"), "FIRST_BASHIBLE_RUN": "yes"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_step_030_writes_its_hosts_and_removes_only_folders_that_it_made(tmp_path: Path) -> None:
    folder = tmp_path / "etc/containerd/registry.d"
    assert run_step(tmp_path, render_registry_step(CONFIG)).returncode == 0
    (folder / "users.own").mkdir()
    fixed = Mirror(host="real.test", scheme="https", rewrites=(("^system/deckhouse", "deckhouse/ee"),))
    done = run_step(tmp_path, render_registry_step(RegistryConfig(version="v2", hosts=(("fixed.test", (fixed,)),))))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["deckhouse_hosts_state.json", "fixed.test", "users.own"]
    assert 'replace = "deckhouse/ee"' in (folder / "fixed.test/hosts.toml").read_text()
    assert json.loads((folder / "deckhouse_hosts_state.json").read_text()) == ["fixed.test"]


def test_a_ca_is_written_beside_its_hosts_toml(tmp_path: Path) -> None:
    assert run_step(tmp_path, render_registry_step(CONFIG)).returncode == 0
    assert (tmp_path / "etc/containerd/registry.d/real.test/https-real.test-ca.crt").read_text() == "PEM\n"


PLAIN = RegistryConfig(version="v0", plain=Mirror(host="real.test", scheme="https", ca="PEM", auth="dTpw"))
PLUGINS = {1: "io.containerd.grpc.v1.cri", 2: "io.containerd.cri.v1.images"}


@pytest.mark.parametrize("major", [1, 2])
def test_containerd_reads_registries_from_the_folder_only_once_there_is_a_configuration_for_it(major: int) -> None:
    off, on = (
        tomllib.loads(render_containerd_config(major, config))["plugins"][PLUGINS[major]]["registry"]
        for config in (PLAIN, CONFIG)
    )
    assert on == {"config_path": "/etc/containerd/registry.d"}
    assert "config_path" not in off
    assert off["configs"] == {"real.test": {"auth": {"auth": "dTpw"}}}
    assert off["mirrors"] == {"real.test": {"endpoint": ["https://real.test"]}}


@pytest.mark.parametrize(("version", "major"), [("v1.7.35", 1), ("v2.2.3", 2)])
def test_step_032_writes_what_the_nodes_containerd_reads_and_asks_for_one_restart(
    tmp_path: Path, version: str, major: int
) -> None:
    containerd = tmp_path / "containerd"
    containerd.write_text(f"#!/bin/sh\necho containerd github.com/containerd/containerd {version} abc\n")
    containerd.chmod(0o755)
    text = render_containerd_step(CONFIG).replace("/opt/deckhouse/bin/containerd", str(containerd))
    flag = tmp_path / "state/flag/containerd-need-restart"
    assert run_step(tmp_path, text).returncode == 0
    written = tmp_path / "etc/containerd/config.toml"
    written_text = written.read_text().replace(str(tmp_path), "")
    assert written_text == render_containerd_config(major, CONFIG)
    flag.unlink()
    assert run_step(tmp_path, text).returncode == 0
    assert not flag.exists(), "the same text asks for no restart"


def test_a_users_drop_in_becomes_part_of_containerds_configuration(tmp_path: Path) -> None:
    drop_in = tmp_path / "etc/containerd/conf.d/mine.toml"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text('version = 3\n[debug]\n  level = "debug"\n')
    text = render_containerd_step(CONFIG).replace("/opt/deckhouse/bin/containerd --version", "echo x v2.2.3")
    assert run_step(tmp_path, text).returncode == 0
    assert tomllib.loads((tmp_path / "etc/containerd/config.toml").read_text())["debug"] == {"level": "debug"}


def test_the_registrys_ca_is_in_the_system_store_only_while_config_path_is_off(tmp_path: Path) -> None:
    stored = tmp_path / "ca.pem"
    plain, configured = (render_ca_step(config).replace(SYSTEM_CA, str(stored)) for config in (PLAIN, CONFIG))
    assert run_step(tmp_path, plain.replace("/etc/ssl/certs", str(tmp_path))).returncode == 0
    assert stored.read_text() == "PEM\n"
    assert (tmp_path / "state/flag/containerd-need-restart").exists()
    assert run_step(tmp_path, configured).returncode == 0
    assert not stored.exists()


EVENTS = """
handler() { echo "handled $*" >> @OUT@; }
bb-event-on changed handler
bb-event-on changed handler
bb-sync-file @FILE@ - changed one << "EOF"
@TEXT@
EOF
echo body >> @OUT@
@END@
"""


def build_event_step(root: Path, text: str, end: str = "") -> str:
    step = EVENTS.replace("@OUT@", f"{root}/out").replace("@FILE@", f"{root}/file")
    return step.replace("@TEXT@", text).replace("@END@", end)


def read_out(root: Path) -> list[str]:
    lines = (root / "out").read_text().splitlines()
    (root / "out").unlink()
    return lines


def test_an_event_of_a_changed_file_is_handled_once_and_at_the_end_of_the_step(tmp_path: Path) -> None:
    run_step(tmp_path, build_event_step(tmp_path, "a"))
    assert read_out(tmp_path) == ["body", "handled one"]
    run_step(tmp_path, build_event_step(tmp_path, "a"))
    assert read_out(tmp_path) == ["body"]


def test_an_event_that_a_failing_step_left_unhandled_is_handled_by_its_next_run(tmp_path: Path) -> None:
    assert run_step(tmp_path, build_event_step(tmp_path, "b", "false")).returncode == 1
    assert read_out(tmp_path) == ["body"]
    assert run_step(tmp_path, build_event_step(tmp_path, "b")).returncode == 0
    assert read_out(tmp_path) == ["body", "handled one"]


def test_a_step_is_left_with_return(tmp_path: Path) -> None:
    assert run_step(tmp_path, "echo seen; return 0\nfalse\n").stdout == "seen\n"


def test_an_unset_variable_fails_a_step(tmp_path: Path) -> None:
    assert run_step(tmp_path, 'echo "$NOBODY_SET_THIS"\n').returncode != 0
