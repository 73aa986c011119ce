# SPDX-License-Identifier: Apache-2.0
"""The interpreter that a bundle can bring: it needs nothing of the image that it runs in."""

import os
import subprocess
from pathlib import Path

import pytest

from box.bundle import build_bundle, unpack
from box.bundle.contents import LIBRARIES
from box.layout import REPOSITORY

pytestmark = pytest.mark.full

# What the module needs compiled libraries for: an authority and a certificate of it.
ISSUE = """
from datetime import UTC, datetime
from d8registry.adapters.certificates import issue_authority, issue_certificate
authority = issue_authority(datetime(2026, 11, 24, tzinfo=UTC))
print(issue_certificate(authority, ["registry.d8-system.svc"], datetime(2026, 11, 24, tzinfo=UTC))[0].splitlines()[0])
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("module")
    bundle = folder.with_suffix(".tar")
    build_bundle(bundle, print, interpreter=True)
    unpack(bundle, folder)
    return folder


def _run(module: Path, *words: str) -> subprocess.CompletedProcess[str]:
    home = module / "hooks" / "venv"
    environment = {"PYTHONHOME": str(home)}  # all that the operator sets
    command = [str(home / "bin" / "python3"), *words]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", sorted(path.name for path in (REPOSITORY / "hooks").glob("*.py")))
def test_every_hook_answers_and_finds_its_libraries_by_itself(module: Path, name: str) -> None:
    done = _run(module, str(module / "hooks" / name), "--config")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"configVersion"' in done.stdout


def test_certificates_are_issued_with_the_compiled_library_of_the_bundle(module: Path) -> None:
    program = module / "hooks" / "issue.py"
    program.write_text(ISSUE)
    done = _run(module, str(program))
    program.unlink()
    assert (done.stdout, done.stderr) == ("-----BEGIN CERTIFICATE-----\n", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot wants root")
def test_nothing_of_the_image_is_needed_but_a_shell(module: Path, tmp_path: Path) -> None:
    """An image without any library: the loader is called as `hooks/venv/bin/python3`, a shell script, calls it."""
    (tmp_path / "module").mkdir()
    subprocess.run(["cp", "-al", f"{module}/.", tmp_path / "module"], check=True)
    (tmp_path / "module" / "issue.py").write_text(ISSUE.replace("from datetime", "import sys\nfrom datetime", 1))
    home = "/module/hooks/venv"
    script = (module / "hooks/venv/bin/python3").read_text().splitlines()[-1]
    words = script.split("exec ")[1].replace("$home", home).replace('"$@"', "/module/issue.py").replace('"', "").split()
    environment = {"PYTHONHOME": home, "PYTHONPATH": f"/module/{LIBRARIES}"}
    done = subprocess.run(
        ["chroot", str(tmp_path), *words],
        env={**environment, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("-----BEGIN CERTIFICATE-----\n", "")


def test_neither_tests_nor_packages_of_the_builder_are_in_it(module: Path) -> None:
    home = module / "hooks" / "venv"
    (packages,) = home.glob("lib/python3.*/site-packages")
    assert [path.name for path in packages.iterdir() if path.name != "__pycache__"] == ["sitecustomize.py"]
    assert not list(home.glob("lib/python3.*/test"))
    executable = {path.name for path in home.rglob("*") if path.is_file() and os.access(path, os.X_OK)}
    assert {"python3", *(name for name in executable if name.startswith(("python3.", "ld-linux")))} == executable
