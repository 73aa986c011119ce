# SPDX-License-Identifier: Apache-2.0
"""The disk of a new machine before its first boot: programs, units, and what the bootstrap brings.

Everything else (containerd's configuration, the kubelet's certificate, registry folders) comes from bashible.
"""

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from box import nodefiles
from box.build import CONTAINERD_PROGRAMS, Tools
from box.certificates import Authority
from box.kubeconfig import write_kubeconfig
from box.layout import API_URL, BRIDGE_ADDRESS, Node
from box.nodeclock import LIBRARY
from box.platform import install_node
from box.platform.bashible import BOOTSTRAPPERS

_FROM_MACHINE = (
    "alternatives", "bash.bashrc", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "nsswitch.conf",
    "os-release", "passwd", "profile", "protocols", "services", "ssl",
)  # fmt: skip

_FOLDERS = (
    "etc/cni/net.d", "etc/containerd", "etc/kubernetes/manifests", "etc/kubernetes/pki",
    "etc/systemd/system", "opt/box/lib", "opt/cni/bin", "opt/deckhouse/bin", "var/lib/bashible", "var/lib/containerd",
    "var/lib/kubelet", "var/lib/registry-node", "var/cache", "var/log/pods", "var/spool", "var/tmp",
)  # fmt: skip


def create_disk(node: Node, tools: Tools, containerd: Path, authority: Authority) -> None:
    """Write `etc`, `opt` and `var` of a new node; nothing of it is running yet."""
    for folder in _FOLDERS:
        (node.disk / folder).mkdir(parents=True, exist_ok=True)
    _write_system_files(node)
    _link_programs(node, tools, containerd)
    pair = authority.issue(f"bootstrap-{node.name}", f"system:bootstrap:{node.name}", BOOTSTRAPPERS)
    kubernetes = node.disk / "etc/kubernetes"
    write_kubeconfig(kubernetes / "bootstrap-kubelet.conf", authority.path, pair, "bootstrap")
    shutil.copyfile(authority.path, kubernetes / "pki/ca.crt")
    identity = node.disk / "var/lib/bashible/bootstrap.pem"
    identity.touch(mode=0o600)
    identity.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    _write(
        node,
        {
            "etc/cni/net.d/10-box.conflist": nodefiles.render_pod_network(node),
            "etc/kubernetes/kubelet.env": nodefiles.render_kubelet_environment(node),
            "etc/systemd/system/containerd.service": nodefiles.CONTAINERD_UNIT,
            "etc/systemd/system/kubelet.service": nodefiles.KUBELET_UNIT,
            "var/lib/kubelet/config.yaml": nodefiles.render_kubelet_config(node),
        },
    )
    variables = {
        "NODE_GROUP": str(node.group),
        "API_SERVER": API_URL,
        "PAUSE_ARCHIVE": str(tools.images.pause_tar),
        "PAUSE_REFERENCE": tools.images.pause_reference,
    }
    install_node(node.disk, variables)


def delete_disk(node: Node) -> None:
    """Remove all that a node keeps; it must be down."""
    shutil.rmtree(node.disk, ignore_errors=True)


def _write_system_files(node: Node) -> None:
    etc = node.disk / "etc"
    for name in _FROM_MACHINE:
        source = Path("/etc", name)
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, etc / name, symlinks=True)
        elif source.exists():
            shutil.copy2(source, etc / name, follow_symlinks=False)
    _write(
        node,
        {
            "etc/hostname": f"{node.name}\n",
            "etc/hosts": f"127.0.0.1 localhost\n{node.address} {node.name}\n",
            "etc/machine-id": f"{secrets.token_hex(16)}\n",
            "etc/resolv.conf": f"nameserver {BRIDGE_ADDRESS}\n",
        },
    )
    (node.disk / "var/run").symlink_to("/run")
    (node.disk / "var/lock").symlink_to("/run/lock")


def _link_programs(node: Node, tools: Tools, containerd: Path) -> None:
    programs = {name: containerd / name for name in CONTAINERD_PROGRAMS}
    programs |= {name: tools.kubernetes / name for name in ("kubelet", "kubectl")}
    programs |= {"runc": tools.debian / "usr/sbin/runc", "jq": Path("/usr/bin/jq")}
    for name, program in programs.items():
        (node.disk / "opt/deckhouse/bin" / name).symlink_to(program)
    library = tools.debian / "usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
    (node.disk / LIBRARY.lstrip("/")).symlink_to(library)
    for plugin in (tools.debian / "usr/lib/cni").iterdir():
        (node.disk / "opt/cni/bin" / plugin.name).symlink_to(plugin)


def _write(node: Node, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        (node.disk / name).write_text(content, encoding="utf-8")
