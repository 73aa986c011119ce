# SPDX-License-Identifier: Apache-2.0
"""The hook runner reads `--config` strictly, finds hooks, knows crontabs and paces itself.

Factors: each kind of invalid configuration; files that are no hooks; crontab fields; number of failures; bucket size.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from box.runner.config import EVERY_EVENT, parse_hook_config
from box.runner.crontab import parse_crontab, parse_duration
from box.runner.errors import ConfigError
from box.runner.hookfiles import discover_hooks, load_config
from box.runner.pace import JITTER, TokenBucket, retry_delay
from box.runner.usersettings import read_config_map
from box.runner.values import UserConfig

BINDING = "{name: cms, apiVersion: v1, kind: ConfigMap}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("configVersion: v2\nonStartup: 1", "configVersion"),
        ("configVersion: v1", "no binding at all"),
        ("onStartup: 1", "'configVersion' is a required property"),
        ("configVersion: v1\nonStartup: 1\nunknown: 1", "'unknown' was unexpected"),
        ("configVersion: v1\nonStartup: first", "onStartup"),
        ("hello\nconfigVersion: v1", "not YAML or JSON"),
        ("configVersion: v1\nonStartup: 1\nsettings: {executionMinInterval: 5s}", "executionBurst"),
        ("configVersion: v1\nonStartup: 1\nsettings: {executionMinInterval: 5x, executionBurst: 1}", "not a duration"),
        ("configVersion: v1\nkubernetes: [{name: a}]", "kind"),
        ("configVersion: v1\nkubernetes: [{kind: Node, jqFilter: '.a |'}]", "jqFilter is invalid"),
        ("configVersion: v1\nkubernetes: [{kind: Node, executeHookOnEvent: [Changed]}]", "Changed"),
        ("configVersion: v1\nkubernetes: [{kind: Node, includeSnapshotsFrom: [other]}]", "'other' is not a kubernetes"),
        (f"configVersion: v1\nkubernetes: [{BINDING}, {BINDING}]\nbeforeHelm: 1\nschedule: "
         "[{crontab: '* * * * *', includeSnapshotsFrom: [cms]}]", "'cms' is not unique"),
        ("configVersion: v1\nschedule: [{crontab: '* * *'}]", "expected 5 or 6 fields"),
        ("configVersion: v1\nkubernetes: [{kind: Node, nameSelector: {matchNames: [a]}, fieldSelector: "
         "{matchExpressions: [{field: metadata.name, operator: Equals, value: a}]}}]", "mutually exclusive"),
    ],
)  # fmt: skip
def test_an_invalid_configuration_is_refused_with_its_reason(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_hook_config(text)


def test_a_binding_has_the_documented_defaults() -> None:
    (binding,) = parse_hook_config("configVersion: v1\nkubernetes: [{kind: Node}]").kubernetes
    assert (binding.name, binding.queue, binding.events) == ("kubernetes", "main", EVERY_EVENT)
    assert (binding.on_synchronization, binding.keep_full_objects) == (True, True)


@pytest.mark.parametrize(("queue", "waits"), [("", True), ("queue: q,", False)], ids=["main", "named"])
def test_only_a_binding_of_a_named_queue_may_be_left_behind_by_the_start(queue: str, waits: bool) -> None:
    text = f"configVersion: v1\nkubernetes: [{{kind: Node, {queue} waitForSynchronization: false}}]"
    assert parse_hook_config(text).kubernetes[0].wait_for_synchronization is waits


def test_selectors_become_query_texts() -> None:
    (binding,) = parse_hook_config(
        "configVersion: v1\n"
        "kubernetes: [{kind: Pod, labelSelector: {matchLabels: {b: x, a: y}, matchExpressions: "
        "[{key: c, operator: In, values: ['2', '1']}, {key: d, operator: DoesNotExist}]},"
        " fieldSelector: {matchExpressions: [{field: spec.nodeName, operator: NotEquals, value: n}]}}]"
    ).kubernetes
    assert binding.label_selector == "a=y,b=x,c in (1,2),!d"
    assert binding.field_selector == "spec.nodeName!=n"


def test_a_group_shares_the_snapshots_of_its_bindings_with_its_schedule() -> None:
    config = parse_hook_config(
        "configVersion: v1\nkubernetes: [{name: a, kind: Node, group: g}, {name: b, kind: Pod, group: g},"
        " {name: c, kind: Pod}]\nschedule: [{crontab: '@every 5s', group: g, includeSnapshotsFrom: [c]}]"
    )
    assert [binding.snapshots for binding in config.kubernetes] == [("a", "b"), ("a", "b"), ()]
    assert config.schedule[0].snapshots == ("c", "a", "b")


@pytest.mark.parametrize(
    ("crontab", "after", "expected"),
    [
        ("*/20 * * * * *", "2026-11-23T10:00:05", "2026-11-23T10:00:20"),
        ("*/20 * * * * *", "2026-11-23T10:00:40", "2026-11-23T10:01:00"),
        ("0 3 * * *", "2026-11-23T03:00:00", "2026-11-24T03:00:00"),
        ("30 9-17/4 * jan,dec mon", "2026-11-23T10:00:00", "2026-12-07T09:30:00"),
        ("0 0 13 * 5", "2026-11-23T10:00:00", "2026-11-27T00:00:00"),
        ("0 0 29 2 *", "2026-11-23T10:00:00", "2028-02-29T00:00:00"),
        ("@hourly", "2026-11-23T10:00:01", "2026-11-23T11:00:00"),
        ("@every 1m30s", "2026-11-23T10:00:01", "2026-11-23T10:01:31"),
    ],
)
def test_a_crontab_fires_next(crontab: str, after: str, expected: str) -> None:
    moment = datetime.fromisoformat(after)
    assert parse_crontab(crontab).next_after(moment) == datetime.fromisoformat(expected)


@pytest.mark.parametrize("crontab", ["60 * * * *", "* * * * 9", "a * * * *", "*/0 * * * *", "5-1 * * * *"])
def test_a_crontab_outside_its_limits_is_refused(crontab: str) -> None:
    with pytest.raises(ConfigError, match="crontab is invalid"):
        parse_crontab(crontab)


def test_durations_are_read_in_seconds() -> None:
    assert [parse_duration(text) for text in ("5s", "1m30s", "250ms", "2h")] == [5.0, 90.0, 0.25, 7200.0]


MEASURED = (5.2, 6.9, 8.1, 9.4, 13.9, 21.4, 32.0, 32.0)
POLL = 0.25


def test_retries_wait_as_long_as_measured() -> None:
    assert [retry_delay(failures, 0.0) for failures in range(1, 9)] == [5, 6, 7, 9, 13, 21, 32, 32]
    for failures, seconds in enumerate(MEASURED, start=1):
        assert retry_delay(failures, 0.0) <= seconds <= retry_delay(failures, JITTER) + POLL


def test_a_bucket_lets_a_burst_through_and_then_one_each_interval() -> None:
    clock = [0.0]
    bucket = TokenBucket(interval=5.0, burst=3, now=lambda: clock[0])
    assert [bucket.reserve() for _ in range(5)] == [0.0, 0.0, 0.0, 5.0, 10.0]
    clock[0] = 100.0
    assert [bucket.reserve() for _ in range(4)] == [0.0, 0.0, 0.0, 5.0]


def _write(
    path: Path, text: str = "#!/bin/sh\necho 'configVersion: v1'; echo 'onStartup: 1'\n", mode: int = 0o755
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_only_executables_outside_the_reserved_folders_are_hooks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hooks = tmp_path / "hooks"
    for name in ("b.py", "sub/a.py", "lib/x.py", "venv/bin/y", ".x/z.py", "notes.md", "values.yaml", "a.json", "a.txt"):
        _write(hooks / name)
    _write(hooks / "plain.py", mode=0o644)
    assert [hook.name for hook in discover_hooks(tmp_path)] == ["hooks/b.py", "hooks/sub/a.py"]
    assert "hooks/plain.py" in capsys.readouterr().out


def test_an_interpreter_of_the_module_runs_its_python_hooks(tmp_path: Path) -> None:
    _write(tmp_path / "hooks" / "a.py")
    interpreter = _write(tmp_path / "hooks" / "venv" / "bin" / "python3", "#!/bin/sh\nexec true\n")
    (hook,) = discover_hooks(tmp_path)
    assert hook.command == (str(interpreter), str(tmp_path / "hooks" / "a.py"))
    assert hook.python_home == str(tmp_path / "hooks" / "venv")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/bin/sh\nexit 1\n", "--config invalid: exit status 1"),
        ("#!/no/such/interpreter\n", "is the interpreter of the shebang there"),
        ("#!/bin/sh\necho chatter\n", "not a YAML or JSON object"),
    ],
)
def test_a_hook_that_cannot_tell_its_configuration_names_itself(tmp_path: Path, script: str, message: str) -> None:
    _write(tmp_path / "hooks" / "bad.py", script)
    (hook,) = discover_hooks(tmp_path)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(hook)
    assert "hooks/bad.py" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "settings", "enabled"),
    [
        ({}, None, None),
        ({"registryEnabled": "false"}, {}, False),
        ({"registryEnabled": '"true"', "registry": "mode: Direct"}, {"mode": "Direct"}, True),
        ({"registry": ""}, {}, None),
    ],
)
def test_the_config_map_tells_settings_and_whether_the_module_is_on(
    data: dict[str, str], settings: dict[str, str] | None, enabled: bool | None
) -> None:
    user = read_config_map(data, "registry", UserConfig())
    assert (user.settings, user.enabled) == (settings, enabled)


def test_globals_stay_when_their_key_is_removed() -> None:
    user = read_config_map({"global": "a: 1"}, "registry", UserConfig())
    assert read_config_map({}, "registry", user).globals == {"a": 1}


def test_no_path_variable_is_set_while_a_hook_tells_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VALUES_PATH", "/left/over")
    _write(tmp_path / "hooks" / "a.sh", '#!/bin/sh\necho "{configVersion: v1, onStartup: 1$VALUES_PATH}"\n')
    (hook,) = discover_hooks(tmp_path)
    assert load_config(hook).on_startup == 1
