# SPDX-License-Identifier: Apache-2.0
"""The shipped module: the same bytes every time, all that hooks need, nothing else."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from box.bundle import Entry, collect, fetch_wheels, unpack, write_tar
from box.bundle.contents import SHIPPED, UNSHIPPED
from box.bundle.wheels import LOCK, REQUIREMENTS
from box.errors import BoxError
from box.layout import REPOSITORY

LARGEST_IN_A_CHART = 3 * 2**20


@pytest.fixture(scope="module")
def wheels() -> list[Path]:
    return fetch_wheels(print)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, wheels: list[Path]) -> Path:
    target = tmp_path_factory.mktemp("bundle") / "registry-module.tar"
    write_tar(collect(REPOSITORY, wheels), target)
    return target


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    folder = tmp_path_factory.mktemp("module")
    unpack(bundle, folder)
    return folder


def _files(module: Path) -> list[str]:
    return sorted(str(path.relative_to(module)) for path in module.rglob("*") if path.is_file())


def test_two_copies_of_the_checkout_give_the_same_bytes(tmp_path: Path, bundle: Path, wheels: list[Path]) -> None:
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for name in (*SHIPPED, "lib"):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("dist"))
        elif source.is_file():
            shutil.copyfile(source, copy / name)  # another time and, but for hooks, another mode
    for hook in (copy / "hooks").iterdir():
        os.utime(hook, (1, 1))
    target = tmp_path / "registry-module.tar"
    write_tar(collect(copy, reversed(wheels)), target)
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(bundle.read_bytes()).digest()


def test_a_changed_byte_changes_the_digest(tmp_path: Path) -> None:
    one = write_tar([Entry(name="a", content=b"1"), Entry(name="b", content=b"2")], tmp_path / "1.tar")
    assert one == write_tar([Entry(name="b", content=b"2"), Entry(name="a", content=b"1")], tmp_path / "2.tar")
    assert one != write_tar([Entry(name="a", content=b"1"), Entry(name="b", content=b"3")], tmp_path / "3.tar")


def test_hooks_are_executable_and_nothing_else_is(module: Path) -> None:
    executable = [name for name in _files(module) if os.access(module / name, os.X_OK)]
    assert executable == [f"hooks/{path.name}" for path in sorted((REPOSITORY / "hooks").glob("*.py"))]


def test_the_bundle_holds_what_the_module_loader_reads_and_nothing_of_the_workshop(module: Path) -> None:
    names = _files(module)
    assert {path.name for path in module.iterdir()} <= {*SHIPPED, "lib"}
    assert {".helmignore", "Chart.yaml", "module.yaml", "oss.yaml", "docs/README.md", "docs/README.ru.md"} <= set(names)
    assert {"openapi/values.yaml", "openapi/config-values.yaml", "templates/rbac-to-us.yaml"} <= set(names)
    odd = re.compile(r"(^|/)(tests?|bench|box|internal|__pycache__|\.git[^/]*)(/|$)|\.pyc$|\.whl$|RECORD$")
    assert [name for name in names if odd.search(name)] == []
    own = {path.relative_to(REPOSITORY / "lib/python") for path in (REPOSITORY / "lib/python/d8registry").rglob("*.py")}
    assert {f"lib/python/dist/{path}" for path in own} <= set(names)


def test_every_entry_of_the_repository_is_shipped_or_known_not_to_be() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    roots = {line.partition("/")[0] for line in listed.splitlines()}
    assert sorted(roots - {*SHIPPED, *UNSHIPPED}) == []
    assert sorted({*SHIPPED} & {*UNSHIPPED}) == []


def test_helm_takes_only_what_is_small_of_the_bundle(module: Path) -> None:
    ignored = {line for line in (module / ".helmignore").read_text().splitlines() if not line.startswith("#")}
    chart = [name for name in _files(module) if name.partition("/")[0] not in ignored]
    assert [name for name in chart if (module / name).stat().st_size > LARGEST_IN_A_CHART] == []
    assert not any(name.startswith(("hooks/", "lib/")) for name in chart)


def test_every_library_is_pinned_by_hash_at_the_version_of_the_requirements() -> None:
    wanted = dict(line.split("==") for line in REQUIREMENTS.read_text().splitlines() if "==" in line)
    pinned = dict(re.findall(r"^(\S+)==(\S+) \\$", LOCK.read_text(), flags=re.MULTILINE))
    assert {name.lower().replace("_", "-"): version for name, version in wanted.items()}.items() <= pinned.items()
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", LOCK.read_text())) >= len(pinned)


@pytest.mark.parametrize("name", sorted(path.name for path in (REPOSITORY / "hooks").glob("*.py")))
def test_a_hook_of_the_bundle_answers_in_a_python_without_packages(name: str, module: Path) -> None:
    environment = {"PYTHONPATH": str(module / "lib/python/dist"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-S", str(module / "hooks" / name), "--config"]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"configVersion"' in done.stdout


def test_libraries_of_the_bundle_load_in_a_python_without_packages(module: Path) -> None:
    program = (
        "import cryptography.x509, cryptography.hazmat.primitives.asymmetric.ec, deckhouse, fastjsonschema, tomli_w\n"
        "import urllib3, yaml, d8registry\n"
        "print(yaml.CSafeLoader.__name__, cryptography.__file__)\n"
    )
    environment = {"PYTHONPATH": str(module / "lib/python/dist"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-S", "-c", program]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["CSafeLoader", str(module / "lib/python/dist/cryptography/__init__.py")]


def test_a_symbolic_link_is_refused_because_the_platform_follows_none(tmp_path: Path) -> None:
    for name in ("hooks", "lib/python/d8registry"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "hooks" / "x.py").symlink_to("y.py")
    with pytest.raises(BoxError, match=r"hooks/x\.py is a symbolic link"):
        collect(tmp_path, [])


def test_two_files_of_one_name_are_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a stands twice"):
        write_tar([Entry(name="a", content=b"1"), Entry(name="a", content=b"2")], tmp_path / "x.tar")
    assert list(tmp_path.iterdir()) == []
