# SPDX-License-Identifier: Apache-2.0
"""What the machine itself must have, in one place; nothing of it brings a service.

All else that the box runs is built or unpacked into the cache (box/build.py).
"""

import os
import shutil
import subprocess

from box.errors import BoxError
from box.report import Report

PROGRAMS = {
    "curl": "curl",
    "dpkg-deb": "dpkg",
    "ip": "iproute2",
    "jq": "jq",
    "mount": "mount",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "patch": "patch",
    "setpriv": "util-linux",
    "shellcheck": "shellcheck",
    "unshare": "util-linux",
}
"""Each program that the box, the nodes or the tests run from the machine, and the Debian package that has it."""


def find_missing() -> dict[str, str]:
    """Return the programs that this machine lacks, each with its package."""
    return {program: package for program, package in PROGRAMS.items() if shutil.which(program) is None}


def check_machine() -> None:
    """Raise BoxError unless this is root on a machine with all programs."""
    if os.geteuid():
        raise BoxError("the box makes namespaces and needs root; run it as root")
    lacks = [*find_missing(), *([] if shutil.which("go") else ["go (1.26 or newer, from its makers)"])]
    if lacks:
        raise BoxError(f"this machine lacks {', '.join(lacks)}; install what Debian has: python -m box deps")


def install_missing(report: Report) -> None:
    """Install the packages of missing programs with apt-get; nothing is asked of the mirror when none is missing."""
    packages = sorted(set(find_missing().values()))
    if not packages:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        with report.stage(f"apt-get {words[0]} {' '.join(packages) if words[0] == 'install' else ''}".strip()):
            done = subprocess.run(["apt-get", *words], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BoxError(f"`apt-get {' '.join(words)}` failed: {done.stderr.strip()[-500:]}")
