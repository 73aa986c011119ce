# SPDX-License-Identifier: Apache-2.0
"""A network of its own for tests that need well-known ports, names and addresses that answer nothing. Root only.

`run` starts a program there; the program calls `enter` first. Nothing outside the new namespaces is touched, and
nothing is left when the program has ended.
"""

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

BLACK_HOLE = "10.99.0.2"
"""An address whose packets are lost without an answer."""

LOST_NAME = "lost.test"
"""A name whose look-up is never answered."""

BROKEN_NAME = "broken.test"
"""A name for which the DNS server answers SERVFAIL."""

_NXDOMAIN, _SERVFAIL = 3, 2
_REPOSITORY = Path(__file__).parents[2]


def run(module: str, *arguments: str) -> str:
    """Run a Python module in namespaces of its own and return its output; what it complains about is passed on."""
    enter = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
    command = [*enter, "--propagation=private", "--", sys.executable, "-m", module, *arguments]
    path = os.pathsep.join(str(_REPOSITORY / name) for name in (".", "lib/python", "images/auth"))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command, cwd=_REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def enter(names: Mapping[str, str]) -> Path:
    """Set up loopback, a black hole, a DNS server that knows nothing, and /etc/hosts with `names` (name -> address).

    Returns a folder in memory, seen inside only: containerd waits for the disk at each of its writes.
    """
    folder = Path("/mnt")
    subprocess.run(["mount", "-t", "tmpfs", "tests", str(folder)], check=True)
    _ip("link", "set", "lo", "up")
    _ip("link", "add", "hole", "type", "veth", "peer", "name", "void")
    _ip("addr", "add", "10.99.0.1/24", "dev", "hole")
    _ip("link", "set", "hole", "up")
    _ip("link", "set", "void", "up")
    # Packets for it leave to an Ethernet address that nobody has.
    _ip("neigh", "add", BLACK_HOLE, "lladdr", "02:00:00:00:00:99", "dev", "hole", "nud", "permanent")
    hosts = {"localhost": "127.0.0.1", **names}
    text = "".join(f"{address} {name}\n" for name, address in hosts.items())
    _bind(folder / "hosts", text, "/etc/hosts")
    _bind(folder / "resolv.conf", "nameserver 127.0.0.53\noptions timeout:1 attempts:1\n", "/etc/resolv.conf")
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.53", 53))
    threading.Thread(target=_answer, args=(server,), daemon=True).start()
    return folder


def _answer(server: socket.socket) -> None:
    while True:
        question, client = server.recvfrom(4096)
        if LOST_NAME.split(".")[0].encode() in question:
            continue
        code = _SERVFAIL if BROKEN_NAME.split(".")[0].encode() in question else _NXDOMAIN
        end = question.index(b"\0", 12) + 5
        server.sendto(question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, 0, 0, 0) + question[12:end], client)


def _bind(file: Path, text: str, over: str) -> None:
    file.write_text(text, encoding="ascii")
    subprocess.run(["mount", "--bind", str(file), over], check=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
