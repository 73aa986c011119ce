# SPDX-License-Identifier: Apache-2.0
"""A folder is walked while others change it, as cgroups and hosts folders are."""

from pathlib import Path

from box.walk import walk_files, walk_folders


def make_tree(top: Path) -> Path:
    for name in ("a/x", "b/y", "c/z"):
        (top / name).mkdir(parents=True)
        (top / name / "file").write_text(name, encoding="utf-8")
    return top


def test_a_folder_that_goes_on_the_way_is_left_out(tmp_path: Path) -> None:
    top = make_tree(tmp_path)
    walk = walk_folders(top)
    assert next(walk) == top / "a"
    (top / "b/y/file").unlink()
    (top / "b/y").rmdir()
    (top / "b").rmdir()
    assert [str(path.relative_to(top)) for path in walk] == ["b", "c", "a/x", "c/z"]
    files = walk_files(top)
    assert next(files) == top / "a/x/file"
    (top / "c/z/file").unlink()
    (top / "c/z").rmdir()
    (top / "c").rmdir()
    assert list(files) == []


def test_a_folder_that_is_not_there_has_nothing_below_it(tmp_path: Path) -> None:
    assert list(walk_folders(tmp_path / "absent")) == list(walk_files(tmp_path / "absent")) == []
