# SPDX-License-Identifier: Apache-2.0
"""etcd and kube-apiserver on loopback ports, without nodes or controllers, for tests of the hook runner.

Needs the binaries that the box has built into its cache; no root.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TOKEN = "sample-admin"
START_LIMIT = 60.0
_PR_SET_PDEATHSIG = 1


def find_binary(name: str) -> Path:
    """Find a binary in the cache of the box. Raises FileNotFoundError naming the command that builds it."""
    cache = Path(os.environ.get("BOX_CACHE") or Path.home() / ".cache" / "d8-registry-box")
    for path in sorted(cache.glob(name if "/" in name else f"*/{name}")):
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"{name} is not in {cache}; build it with: python -m box build")


@contextlib.contextmanager
def control_plane(folder: Path, *, authorization: str = "RBAC", flags: Sequence[str] = ()) -> Iterator[Path]:
    """Start both, wait until ready, answer a kubeconfig; stop both at the end. `flags` are more of the API server's."""
    etcd_port, peer_port, api_port = free_ports(3)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "sa.key").write_bytes(key)
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    etcd = [
        str(find_binary("etcd")),
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls=http://127.0.0.1:{etcd_port}",
        f"--advertise-client-urls=http://127.0.0.1:{etcd_port}",
        f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
    ]
    apiserver = [
        str(find_binary("kube-apiserver")),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--cert-dir={folder / 'certs'}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={api_port}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--authorization-mode={authorization}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
        f"--service-account-key-file={folder / 'sa.key'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--disable-admission-plugins=ServiceAccount",
        *flags,
    ]
    with contextlib.ExitStack() as stack:
        for name, command in (("etcd", etcd), ("apiserver", apiserver)):
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)
            stack.callback(_stop, process)
        _wait_ready(api_port, folder / "apiserver.log")
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(_kubeconfig(api_port, folder / "certs" / "apiserver.crt"))
        yield kubeconfig


def die_with_parent() -> None:
    """Ask the kernel to end the process when the test run is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_ready(port: int, log: Path) -> None:
    context = ssl._create_unverified_context()  # noqa: S323 (only a readiness probe of our own process)
    limit = time.monotonic() + START_LIMIT
    while time.monotonic() < limit:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/readyz", context=context, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"kube-apiserver is not ready after {START_LIMIT:.0f} s; see {log}")


def _kubeconfig(port: int, authority: Path) -> str:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sample",
        "contexts": [{"name": "sample", "context": {"cluster": "sample", "user": "sample"}}],
        "clusters": [{"name": "sample", "cluster": cluster}],
        "users": [{"name": "sample", "user": {"token": TOKEN}}],
    }
    return yaml.safe_dump(document)


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
