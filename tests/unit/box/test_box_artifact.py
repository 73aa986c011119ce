# SPDX-License-Identifier: Apache-2.0
"""The cache of built things. Factors: inputs that change, a build that fails, a build that was killed."""

from pathlib import Path

import pytest

from box.artifact import Artifact, building_lock, hash_inputs, publish, run_logged
from box.errors import BoxError


def test_the_key_changes_with_a_word_with_a_content_and_with_a_file_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("x")
    keys = {
        hash_inputs(("1",), [tmp_path / "a"]),
        hash_inputs(("2",), [tmp_path / "a"]),
        hash_inputs(("1",), [tmp_path / "b"]),
    }
    (tmp_path / "a").write_text("y")
    keys.add(hash_inputs(("1",), [tmp_path / "a"]))
    assert len(keys) == 4


def test_the_order_in_which_files_are_found_does_not_change_the_key(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    for file in files:
        file.write_text(file.name)
    assert hash_inputs((), files) == hash_inputs((), reversed(files))


def make(name: str, text: str, fail: bool = False) -> Artifact:
    def build(folder: Path) -> None:
        (folder / "program").write_text(text)
        if fail:
            raise BoxError("the compiler is unhappy")

    return Artifact(name=name, version="1", key="k", cold_seconds=1, build=build)


def test_a_failed_build_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    with pytest.raises(BoxError, match="unhappy"):
        publish(make("tool", "x", fail=True), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_build_appears_whole(tmp_path: Path) -> None:
    assert (publish(make("tool", "x"), tmp_path) / "program").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["tool-1-k"]


def test_what_a_killed_build_left_goes_with_the_next_one(tmp_path: Path) -> None:
    (tmp_path / ".building-tool-abc").mkdir()
    with building_lock(tmp_path, lambda: pytest.fail("nobody else builds")):
        assert not (tmp_path / ".building-tool-abc").exists()


def test_a_failed_command_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(BoxError, match=r"status 3.*log(.|\n)*no such module"):
        run_logged(["sh", "-c", "echo no such module; exit 3"], tmp_path, tmp_path / "log")
