# SPDX-License-Identifier: Apache-2.0
"""Values, schemas, manifests and processes of the hook runner.

Factors: schema rule; extension and closing; what a run leaves behind; exit status; secrets in messages.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from box.runner import gojson
from box.runner.config import HookConfig
from box.runner.context import Context, Reason, lifecycle_context, render_contexts
from box.runner.errors import HookFailed
from box.runner.hookfiles import INPUTS as INPUT_FILES
from box.runner.hookfiles import OUTPUTS as OUTPUT_FILES
from box.runner.hookfiles import HookFile
from box.runner.manifests import label_manifests, read_manifests
from box.runner.merge import HookRun, take_neighbours
from box.runner.openapi import ModuleSchemas, apply_defaults
from box.runner.process import HookInputs, run_hook
from box.runner.values_patch import Operation, remember

CONFIG: dict[str, Any] = {
    "type": "object",
    "required": ["mode"],
    "properties": {
        "mode": {"type": "string", "enum": ["Unmanaged", "Direct"]},
        "proxy": {
            "type": "object",
            "properties": {"host": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "nullable": True}},
        },
    },
}
VALUES: dict[str, Any] = {
    "x-extend": {"schema": "config-values.yaml"},
    "type": "object",
    "x-required-for-helm": ["internal"],
    "properties": {"internal": {"type": "object", "additionalProperties": True}},
}


@pytest.mark.parametrize(
    ("section", "problems"),
    [
        ({"mode": "Direct"}, []),
        ({"mode": "Wrong"}, ["registry.mode in body should be one of [Unmanaged Direct]"]),
        ({}, ["registry.mode in body is required"]),
        ({"mode": "Direct", "x": 1}, ["registry.x in body is a forbidden property"]),
        ({"mode": "Direct", "proxy": {"y": 1}}, ["registry.proxy.y in body is a forbidden property"]),
        ({"mode": "Direct", "proxy": {"host": None}}, []),
        (
            {"mode": "Direct", "proxy": {"host": "A"}},
            [
                "registry.proxy.host in body should be at least 2 chars long",
                "registry.proxy.host in body should match '^[a-z]+$'",
            ],
        ),
        ({"mode": "Direct", "proxy": []}, ['registry.proxy in body must be of type object: "array"']),
    ],
    ids=str,
)
def test_settings_are_checked_with_the_operators_texts(section: dict[str, Any], problems: list[str]) -> None:
    assert ModuleSchemas(CONFIG, VALUES).config_problems("registry", section) == problems


def test_the_schema_of_values_extends_the_one_of_settings() -> None:
    schemas = ModuleSchemas(CONFIG, VALUES)
    assert schemas.values_problems("registry", {"mode": "Direct", "internal": {"any": 1}}) == []
    assert schemas.values_problems("registry", {"internal": {}}) == ["registry.mode in body is required"]
    assert schemas.config_problems("registry", {"mode": "Direct", "internal": {}}) == [
        "registry.internal in body is a forbidden property"
    ]


def test_a_schema_that_lists_no_properties_allows_none() -> None:
    assert ModuleSchemas({"type": "object"}, None).config_problems("registry", {"a": 1}) == [
        "registry.a in body is a forbidden property"
    ]


def test_remembered_operations_are_one_a_path_and_sorted() -> None:
    known = remember((), (Operation(op="add", path="/r/b", value=1), Operation(op="add", path="/r/a", value=2)))
    found = remember(known, (Operation(op="test", path="/r/c"), Operation(op="remove", path="/r/b")))
    assert [(operation.op, operation.path) for operation in found] == [("add", "/r/a"), ("remove", "/r/b")]


def test_a_lifecycle_context_without_bindings_has_empty_snapshots() -> None:
    context = lifecycle_context(Reason.BEFORE_HELM, HookConfig())
    assert render_contexts([context], lambda _: []) == '[{"binding":"beforeHelm","snapshots":{}}]'


def test_helm_may_require_more() -> None:
    schemas = ModuleSchemas(CONFIG, VALUES)
    assert schemas.values_problems("registry", {"mode": "Direct"}) == []
    assert schemas.helm_problems("registry", {"mode": "Direct"}) == ["registry.internal in body is required"]


def test_a_rejected_value_is_never_shown() -> None:
    (problem,) = ModuleSchemas(CONFIG, VALUES).config_problems("registry", {"mode": "Direct", "proxy": "hunter2"})
    assert "hunter2" not in problem


def test_defaults_reach_into_what_is_there_but_make_no_parents() -> None:
    inner = {"type": "object", "properties": {"a": {"default": 1}}}
    schema = {
        "properties": {"there": inner, "absent": inner, "made": {**inner, "default": {}}, "list": {"items": inner}}
    }
    value: dict[str, Any] = {"there": {}, "list": [{}]}
    apply_defaults(value, schema)
    assert value == {"there": {"a": 1}, "made": {"a": 1}, "list": [{"a": 1}]}


def test_json_is_written_as_go_writes_it() -> None:
    value = {"b": 1.0, "a": "<&>\u2028é", "c": [1e21, 0.5, None, True]}
    assert gojson.dumps(value) == '{"a":"\\u003c\\u0026\\u003e\\u2028é","b":1,"c":[1e+21,0.5,null,true]}'


def test_only_neighbours_of_the_same_hook_merge() -> None:
    context = Context(reason=Reason.SCHEDULE, binding="tick")
    mine, other = (HookRun(module="registry", hook=name, contexts=(context,)) for name in ("a", "b"))
    merged, taken = take_neighbours(mine, [mine, other, mine])
    assert (len(merged.contexts), taken) == (2, 1)


def test_a_synchronization_does_not_merge_with_one_that_the_start_does_not_wait_for() -> None:
    context = Context(reason=Reason.SYNCHRONIZATION, binding="x")
    waited, free = (
        HookRun(module="registry", hook="a", contexts=(context,), synchronizes=("x",), waits=waits)
        for waits in (True, False)
    )
    assert take_neighbours(waited, [free])[1] == 0
    assert take_neighbours(waited, [waited])[1] == 1


def test_manifests_are_read_as_kubernetes_reads_them() -> None:
    text = "kind: A\na: 2026-11-23\nb: 12:30\nc: 0644\nd: 1e3\ne: 'on'\nf: -5\n---\n\n---\nkind: B\n"
    first, second = read_manifests(text)
    assert first == {"kind": "A", "a": "2026-11-23", "b": "12:30", "c": 420, "d": 1000.0, "e": "on", "f": -5}
    assert second == {"kind": "B"}


def test_every_object_gets_the_operators_label() -> None:
    (labelled,) = read_manifests(label_manifests("kind: A\nmetadata: {name: a, labels: {heritage: x, module: r}}\n"))
    assert labelled["metadata"]["labels"] == {"heritage": "addon-operator", "module": "r"}


def _hook(tmp_path: Path, script: str) -> HookFile:
    path = tmp_path / "hook.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return HookFile(path=path, name="hooks/hook.sh", command=(str(path),))


INPUTS = HookInputs(contexts='[{"binding":"onStartup"}]', values='{"a":1}', config_values='{"b":null}')


def test_a_hook_finds_its_inputs_and_leaves_no_file_behind(tmp_path: Path) -> None:
    script = (
        'test "$(cat "$BINDING_CONTEXT_PATH")" = \'[{"binding":"onStartup"}]\' || exit 9\n'
        'test "$(cat "$VALUES_PATH")$(cat "$CONFIG_VALUES_PATH")" = \'{"a":1}{"b":null}\' || exit 8\n'
        'test -f "$METRICS_PATH" -a -f "$CONFIG_VALUES_JSON_PATCH_PATH" -a $# = 0 || exit 7\n'
        'echo \'{"op":"add","path":"/registry/x","value":1}\' > "$VALUES_JSON_PATCH_PATH"\n'
        'echo \'{"operation":"Delete","kind":"Pod","name":"p"}\' > "$KUBERNETES_PATCH_PATH"'
    )
    folder = tmp_path / "tmp"
    folder.mkdir()
    outputs = run_hook(_hook(tmp_path, script), INPUTS, folder, {})
    assert [operation.path for operation in outputs.values] == ["/registry/x"]
    assert [operation.kind for operation in outputs.kube] == ["Pod"]
    assert list(folder.iterdir()) == []


def test_a_hook_is_called_by_its_path_in_the_operators_folder_and_all_seven_files_are_readable_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPERATORS_OWN", "handed on")
    files = " ".join(f'"${key}"' for key in (*INPUT_FILES, *OUTPUT_FILES))
    script = f'echo "$0|$#|$PWD|$OPERATORS_OWN"; stat -c %a {files}'
    folder = tmp_path / "tmp"
    folder.mkdir()
    hook = _hook(tmp_path, script)
    run_hook(hook, INPUTS, folder, {})
    first, *modes = [json.loads(line)["msg"] for line in capsys.readouterr().out.splitlines()]
    assert first == f"{hook.path}|0|{Path.cwd()}|handed on"
    assert modes == ["644"] * 7


def test_an_interpreter_of_the_module_has_its_own_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    interpreter = tmp_path / "python3"
    interpreter.write_text('#!/bin/sh\necho "$PYTHONHOME|$1"\n')
    interpreter.chmod(0o755)
    command = (str(interpreter), "hooks/a.py")
    hook = HookFile(path=interpreter, name="hooks/a.py", command=command, python_home="/module/hooks/venv")
    run_hook(hook, INPUTS, tmp_path, {})
    assert json.loads(capsys.readouterr().out)["msg"] == "/module/hooks/venv|hooks/a.py"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "module hook 'hooks/hook.sh' failed: cmd run: exit status 3"),
        ("echo no luck >&2; exit 1", "no luck"),
        ("kill -9 $$", "module hook 'hooks/hook.sh' failed: cmd run: signal: killed"),
        ("echo '{not' > $VALUES_JSON_PATCH_PATH", "got bad json patch for values"),
        ("echo '{}' > $KUBERNETES_PATCH_PATH", "can't validate document"),
    ],
)
def test_a_failed_run_says_why(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(HookFailed) as caught:
        run_hook(_hook(tmp_path, script), INPUTS, tmp_path, {})
    assert message in str(caught.value)


def test_lines_of_a_hook_are_logged_and_json_lines_keep_their_level(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = 'echo "   plain"; echo \'{"level":"warn","msg":"told","step":"x"}\''
    run_hook(_hook(tmp_path, script), INPUTS, tmp_path, {"hook": "hooks/hook.sh"})
    plain, told = capsys.readouterr().out.splitlines()
    assert '"msg": "plain"' in plain
    assert '"level": "warn"' in told
    assert '"step": "x"' in told
