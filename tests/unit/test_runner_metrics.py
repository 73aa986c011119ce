# SPDX-License-Identifier: Apache-2.0
"""Metrics of hooks: what is accepted, what a scrape shows, what a group forgets."""

import json

import pytest

from box.runner.errors import MetricsError
from box.runner.metrics import MetricStorage, parse_metrics


def _shown(storage: MetricStorage) -> dict[str, float]:
    lines = [line for line in storage.render().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def _apply(storage: MetricStorage, *operations: dict[str, object], hook: str = "hooks/a.py") -> None:
    text = "\n".join(json.dumps(operation) for operation in operations)
    storage.apply(parse_metrics(text), module="registry", hook=hook)


def test_a_gauge_is_set_and_a_counter_grows_with_module_and_hook_as_labels() -> None:
    storage = MetricStorage()
    for _ in range(2):
        _apply(
            storage,
            {"name": "d8_step", "action": "set", "value": 3, "labels": {"step": "AddSource"}},
            {"name": "d8_runs", "action": "add", "value": 2},
            {"name": "d8_short", "set": 7},
        )
    assert _shown(storage) == {
        'd8_step{hook="hooks/a.py",module="registry",step="AddSource"}': 3.0,
        'd8_runs{hook="hooks/a.py",module="registry"}': 4.0,
        'd8_short{hook="hooks/a.py",module="registry"}': 7.0,
    }


def test_a_histogram_counts_in_its_buckets() -> None:
    storage = MetricStorage()
    for value in (0.5, 3, 99):
        _apply(storage, {"name": "t", "action": "observe", "value": value, "buckets": [1, 5]})
    labels = 'hook="hooks/a.py",le="{}",module="registry"'
    shown = _shown(storage)
    assert [shown[f"t_bucket{{{labels.format(le)}}}"] for le in ("1", "5", "+Inf")] == [1.0, 2.0, 3.0]
    assert shown['t_sum{hook="hooks/a.py",module="registry"}'] == 102.5


def test_a_group_forgets_what_is_not_named_again_and_keeps_counting_what_is() -> None:
    storage = MetricStorage()
    _apply(
        storage,
        {"group": "g", "name": "m", "action": "add", "value": 1, "labels": {"kind": "pod"}},
        {"group": "g", "name": "m", "action": "add", "value": 1, "labels": {"kind": "job"}},
        {"name": "free", "action": "set", "value": 1},
    )
    _apply(storage, {"group": "g", "name": "m", "action": "add", "value": 1, "labels": {"kind": "pod"}})
    assert _shown(storage) == {
        'm{hook="hooks/a.py",kind="pod",module="registry"}': 2.0,
        'free{hook="hooks/a.py",module="registry"}': 1.0,
    }
    _apply(storage, {"group": "g", "action": "expire"}, hook="hooks/b.py")
    assert _shown(storage) == {'free{hook="hooks/a.py",module="registry"}': 1.0}


def test_a_scrape_shows_the_text_format_with_escaped_labels() -> None:
    storage = MetricStorage()
    _apply(storage, {"name": "m", "action": "add", "value": 1, "labels": {"text": 'a"b\\c\nd'}})
    assert storage.render() == (
        '# HELP m m\n# TYPE m counter\nm{hook="hooks/a.py",module="registry",text="a\\"b\\\\c\\nd"} 1\n'
    )


def test_a_name_keeps_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    storage = MetricStorage()
    _apply(storage, {"name": "m", "action": "set", "value": 1}, {"name": "m", "action": "add", "value": 5})
    assert _shown(storage) == {'m{hook="hooks/a.py",module="registry"}': 1.0}
    assert "metric m is a gauge already, not a counter" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param('{"name":"m","value":1}', "one of: 'action', 'set' or 'add' is required", id="no action"),
        pytest.param('{"name":"m","action":"expire"}', "unsupported action 'expire'", id="expire without group"),
        pytest.param('{"action":"set","value":1}', "'name' is required", id="no name"),
        pytest.param('{"group":"g","action":"set","value":1}', "when action is not 'expire'", id="group, no name"),
        pytest.param('{"name":"m","action":"set"}', "'value' is required for action 'set'", id="no value"),
        pytest.param('{"name":"m","action":"add","value":true}', "'value' is required", id="a boolean"),
        pytest.param('{"name":"m","action":"observe","value":1}', "'buckets' is required", id="no buckets"),
        pytest.param('{"name":"m",', "got bad metrics", id="half a line"),
        pytest.param("[1]", "not an object", id="a list"),
    ],
)
def test_a_bad_operation_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(MetricsError, match=complaint):
        parse_metrics(text)


def test_no_metrics_are_fine() -> None:
    assert parse_metrics("") == ()
    assert MetricStorage().render() == ""
