# SPDX-License-Identifier: Apache-2.0
"""Unit files of the stand-in for systemd: text, drop-ins, exec lines, spans, symlinks."""

from pathlib import Path

import pytest

from box.platform.systemd.command_line import (
    ExecLine,
    expand_variables,
    parse_environment,
    parse_environment_file,
    parse_exec_line,
)
from box.platform.systemd.enablement import disable_unit, enable_unit, find_boot_units, is_enabled
from box.platform.systemd.service_spec import KillMode, Restart, ServiceType, parse_service
from box.platform.systemd.spans import parse_span
from box.platform.systemd.unit_file import UnitNotFoundError, load_unit_file, parse_assignments


def write(root: Path, path: str, text: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5), ("1min 30s", 90), ("500ms", 0.5), ("2h", 7200), ("1d12h", 129600), ("infinity", float("inf")), ("0", 0)],
)
def test_a_span_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_span(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "five", "5 parsecs", "-1s"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time span"):
        parse_span(text)


def test_comments_and_continued_lines_are_read_as_systemd_does() -> None:
    text = "# c\n[Service]\n; c\nExecStart=/bin/a \\\n  b\n\nRestart=always\n"
    assert parse_assignments(text) == [("Service", "ExecStart", "/bin/a  b"), ("Service", "Restart", "always")]


def test_a_line_that_is_no_assignment_is_named() -> None:
    with pytest.raises(ValueError, match="line 2: 'what'"):
        parse_assignments("[Unit]\nwhat\n")


def test_drop_ins_apply_in_the_order_of_their_names_and_an_empty_value_clears_a_list(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/system/a.service", "[Service]\nExecStart=/bin/one\nEnvironment=A=1\n")
    write(tmp_path, "run/systemd/system/a.service.d/10.conf", "[Service]\nExecStart=\nExecStart=/bin/two\n")
    write(tmp_path, "run/systemd/system/a.service.d/20.conf", "[Service]\nRestart=always\n")
    write(tmp_path, "etc/systemd/system/a.service.d/20.conf", "[Service]\nRestart=no\n")
    unit = load_unit_file(tmp_path, "a.service")
    assert unit.values("Service", "ExecStart") == ("/bin/two",)
    assert unit.value("Service", "Restart") == "no"
    assert unit.values("Service", "Environment") == ("A=1",)


def test_an_unknown_directive_is_a_problem_and_an_accepted_one_is_none(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/system/a.service", "[Service]\nExecStart=/bin/a\nDelegate=yes\nDynamicUser=yes\n")
    (problem,) = load_unit_file(tmp_path, "a.service").problems
    assert "DynamicUser= in [Service]" in problem


def test_a_unit_in_etc_hides_one_in_run_and_an_absent_one_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "run/systemd/system/a.service", "[Service]\nExecStart=/bin/run\n")
    write(tmp_path, "etc/systemd/system/a.service", "[Service]\nExecStart=/bin/etc\n")
    assert load_unit_file(tmp_path, "a.service").value("Service", "ExecStart") == "/bin/etc"
    with pytest.raises(UnitNotFoundError, match=r"b\.service"):
        load_unit_file(tmp_path, "b.service")


def test_an_exec_line_knows_quotes_prefix_and_specifiers() -> None:
    line = parse_exec_line("-/bin/sh -c 'echo %n %H %%' x", "reg@7.service", "node")
    assert line == ExecLine(words=("/bin/sh", "-c", "echo reg@7.service node %", "x"), ignore_failure=True)


def test_variables_alone_are_split_and_those_in_braces_are_not() -> None:
    words = ("$MANY", "x-${MANY}", "$NONE", "$$HOME")
    assert expand_variables(words, {"MANY": "a b"}) == ["a", "b", "x-a b", "$HOME"]


def test_environment_is_read_from_directive_and_from_file() -> None:
    assert parse_environment(("A=1 'B=two words'", "C=")) == {"A": "1", "B": "two words", "C": ""}
    assert parse_environment_file('# c\nA="x y"\n\nB=z=1\n') == {"A": "x y", "B": "z=1"}


def test_a_service_is_read_whole(tmp_path: Path) -> None:
    write(
        tmp_path,
        "etc/systemd/system/a.service",
        "[Service]\nType=notify\nExecStart=/bin/a\nRestart=on-failure\nRestartSec=5\nKillMode=process\n",
    )
    spec = parse_service(load_unit_file(tmp_path, "a.service"), "node")
    assert (spec.type, spec.restart, spec.restart_after) == (ServiceType.NOTIFY, Restart.ON_FAILURE, 5.0)
    assert (spec.kill_mode, spec.start_timeout) == (KillMode.PROCESS, 90.0)


def test_a_service_that_forks_itself_away_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/system/a.service", "[Service]\nType=forking\nExecStart=/bin/a\n")
    with pytest.raises(ValueError, match="forking"):
        parse_service(load_unit_file(tmp_path, "a.service"), "node")


def test_enabling_makes_the_links_that_a_boot_follows_and_disabling_removes_them(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/system/a.timer", "[Timer]\nOnBootSec=1\n[Install]\nWantedBy=timers.target\n")
    (link,) = enable_unit(tmp_path, "a.timer")
    assert link.readlink() == Path("/etc/systemd/system/a.timer")
    assert is_enabled(tmp_path, "a.timer")
    assert find_boot_units(tmp_path) == ("a.timer",)
    assert enable_unit(tmp_path, "a.timer") == ()
    assert disable_unit(tmp_path, "a.timer") == (link,)
    assert not is_enabled(tmp_path, "a.timer")
