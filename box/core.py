# SPDX-License-Identifier: Apache-2.0
"""Programs inside the core namespace, where the API server is and names resolve as in a pod of d8-system."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from box.errors import BoxError
from box.layout import BRIDGE_ADDRESS, CLUSTER_DOMAIN, CORE, KUBECONFIG, RUN
from box.network import NAMESPACES

RESOLV_CONF = RUN / "core" / "resolv.conf"
_ENTER = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


def write_resolv_conf() -> None:
    """Write the name resolution of a pod of namespace d8-system."""
    search = f"d8-system.svc.{CLUSTER_DOMAIN} svc.{CLUSTER_DOMAIN} {CLUSTER_DOMAIN}"
    RESOLV_CONF.parent.mkdir(parents=True, exist_ok=True)
    content = f"nameserver {BRIDGE_ADDRESS}\nsearch {search}\noptions ndots:5\n"
    RESOLV_CONF.write_text(content, encoding="utf-8")


def exec_command(argv: Sequence[str | Path]) -> list[str]:
    """Return the command that runs `argv` inside the core namespace; raises BoxError when there is none."""
    if not (NAMESPACES / CORE).exists() or not RESOLV_CONF.exists():
        raise BoxError("the box is not running; start it: python -m box up")
    enter = ["nsenter", f"--net={NAMESPACES / CORE}", "--", "unshare", "--mount", "--propagation=private", "--"]
    return [*enter, "sh", "-c", _ENTER, "sh", str(RESOLV_CONF), *map(str, argv)]


def exec(  # noqa: A001 - the word for it
    argv: Sequence[str | Path], *, content: str | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command inside the core namespace and return its output as text; `content` is its standard input.

    KUBECONFIG is set to the cluster-admin's. Raises BoxError when there is no box and, with `check`, when the command
    fails.
    """
    command = exec_command(["env", f"KUBECONFIG={KUBECONFIG}", *argv])
    done = subprocess.run(command, input=content, capture_output=True, text=True, check=False)
    if check and done.returncode:
        detail = (done.stderr or done.stdout).strip()
        raise BoxError(f"`{' '.join(map(str, argv))}` failed with status {done.returncode}: {detail}")
    return done
