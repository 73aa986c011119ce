# SPDX-License-Identifier: Apache-2.0
"""First moments of a node: build its root from the plan, leave the machine's, become its init process.

Run as process 1 of new mount, UTS, IPC, PID and network namespaces: `python -m box.nodeinit PLAN`. What a node may see
of the machine is bound in, read-only where it is not the node's own; all other paths of the machine do not exist for
it. Only the standard library is used.
"""

import ctypes
import json
import os
import socket
import sys
import uuid
from pathlib import Path
from typing import Any

MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC = 1, 32, 4096, 16384
MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 18, 1 << 19, 1 << 20
MNT_DETACH = 2
_PIVOT_ROOT = 155  # x86_64

_LIBRARY = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Build the root and hand over to the init program; never returns."""
    plan: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    root = Path(plan["root"])
    _mount("none", Path("/"), "", MS_REC | MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", 0, "mode=0755")
    for path, mode in plan["folders"].items():
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).chmod(int(mode, 8))
    for link, target in plan["links"].items():
        (root / link.lstrip("/")).symlink_to(target)
    for target, source in plan["writable"].items():
        _bind(Path(source), root / target.lstrip("/"))
    for source in plan["readonly"]:
        target = root / source.lstrip("/")
        _bind(Path(source), target)
        _mount("none", target, "", MS_BIND | MS_REMOUNT | MS_RDONLY)
    _mount_kernel(root)
    _enter(root)
    socket.sethostname(plan["hostname"])
    os.execve(plan["init"][0], plan["init"], plan["environment"])  # noqa: S606 - process 1 becomes the init program


def _mount_kernel(root: Path) -> None:
    for name in ("dev", "sys"):
        (root / name).mkdir(exist_ok=True)
        _mount(f"/{name}", root / name, "", MS_BIND | MS_REC)
        _mount("none", root / name, "", MS_REC | MS_SLAVE)
    _mount("tmpfs", root / "dev/shm", "tmpfs", 0, "mode=1777")
    (root / "proc").mkdir(exist_ok=True)
    _mount("proc", root / "proc", "proc", 0)
    # Each boot has an id of its own, by which the kubelet knows that it is to report at once.
    boot = root / "run/boot_id"
    boot.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    _mount(str(boot), root / "proc/sys/kernel/random/boot_id", "", MS_BIND)


def _enter(root: Path) -> None:
    os.chdir(root)
    # Old and new root at one place: the old one then lies on top and goes with one lazy unmount.
    _check(_LIBRARY.syscall(_PIVOT_ROOT, b".", b"."), "pivot_root", root)
    _check(_LIBRARY.umount2(b".", MNT_DETACH), "umount2", root)
    os.chdir("/")
    _mount("none", Path("/"), "", MS_REC | MS_SHARED)  # the kubelet needs propagation to containers


def _bind(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    _mount(str(source), target, "", MS_BIND | MS_REC)


def _mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    arguments = (source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _check(_LIBRARY.mount(*arguments), f"mount {source}", target)


def _check(result: int, what: str, target: Path) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}", str(target))


if __name__ == "__main__":
    main()
