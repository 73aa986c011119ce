# SPDX-License-Identifier: Apache-2.0
"""The control plane in the core namespace: etcd, API server, controller-manager, scheduler, cluster DNS."""

import time
from collections.abc import Callable
from pathlib import Path

from box import api, dns, process
from box.build import Tools
from box.certificates import Authority, write_key, write_public_key
from box.errors import BoxError
from box.kubeconfig import write_kubeconfig
from box.layout import (
    API_PORT,
    BRIDGE_ADDRESS,
    CLUSTER_DOMAIN,
    CORE,
    KUBECONFIG,
    PKI,
    POD_RANGE,
    RUN,
    SERVICE_API_ADDRESS,
    SERVICE_RANGE,
)

ETCD, API = "etcd", "kube-apiserver"
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
ETCD_DATA = RUN / "etcd"
_ISSUER = f"https://kubernetes.default.svc.{CLUSTER_DOMAIN}"


def create_certificates() -> Authority:
    """Create the CA, every certificate of the control plane, its kubeconfigs and the service-account keys."""
    authority = Authority.create(PKI, "d8-registry-box")
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{CLUSTER_DOMAIN}"]
    authority.issue("apiserver", "kube-apiserver", hosts=[BRIDGE_ADDRESS, SERVICE_API_ADDRESS, "127.0.0.1", *names])
    authority.issue("apiserver-kubelet", "kube-apiserver", "system:masters")
    write_public_key(write_key(PKI / "service-account.key"), PKI / "service-account.pub")
    admin = authority.issue("admin", "admin", "system:masters")
    write_kubeconfig(KUBECONFIG, authority.path, admin, "admin")
    for name in ("controller-manager", "scheduler"):
        user = f"system:kube-{name}"
        write_kubeconfig(RUN / f"{name}.kubeconfig", authority.path, authority.issue(name, user), user)
    dns_pair = authority.issue("coredns", "coredns", "system:masters")
    write_kubeconfig(RUN / "coredns.kubeconfig", authority.path, dns_pair, "coredns")
    return authority


def start_etcd(tools: Tools) -> process.Record:
    """Start etcd on the data that is there."""
    return process.start(ETCD, [tools.etcd, *_etcd_flags()], namespace=CORE)


def start_api(tools: Tools) -> None:
    """Start the API server and wait until it is ready; raises BoxError with its log when it ended."""
    server = process.start(API, [tools.kubernetes / API, *_api_flags()], namespace=CORE)
    wait_for("the API server", 60, api.is_ready, server)


def start_controllers(tools: Tools) -> None:
    """Start controller-manager, scheduler and cluster DNS."""
    start_managers(tools)
    corefile = dns.write_corefile(RUN / "coredns", RUN / "coredns.kubeconfig")
    server = process.start("coredns", [tools.coredns, "-conf", corefile], namespace=CORE)
    wait_for("cluster DNS", 30, dns.is_ready, server)


def start_managers(tools: Tools) -> None:
    """Start controller-manager and scheduler."""
    manager: list[str | Path] = ["--use-service-account-credentials", "--root-ca-file", PKI / "ca.crt"]
    manager += ["--service-account-private-key-file", PKI / "service-account.key", "--cluster-cidr", POD_RANGE]
    manager += ["--allocate-node-cidrs=false"]  # each node's /24 is fixed by the layout
    manager += ["--cluster-signing-cert-file", PKI / "ca.crt", "--cluster-signing-key-file", PKI / "ca.key"]
    for name, flags in {"controller-manager": manager, "scheduler": []}.items():
        config = RUN / f"{name}.kubeconfig"
        common: list[str | Path] = ["--leader-elect=false", "--kubeconfig", config]
        common += ["--authentication-kubeconfig", config]
        common += ["--authorization-kubeconfig", config, "--bind-address", "127.0.0.1"]
        process.start(f"kube-{name}", [tools.kubernetes / f"kube-{name}", *common, *flags], namespace=CORE)


def wait_for(what: str, seconds: float, is_done: Callable[[], bool], *processes: process.Record) -> None:
    """Ask every 0.2 s until done; raises BoxError when a process has ended meanwhile or the time is over."""
    until = time.monotonic() + seconds
    while not is_done():
        for each in processes:
            process.require_alive(each)
        if time.monotonic() > until:
            logs = "\n".join(f"  {each.log}:\n{process.tail(Path(each.log))}" for each in processes)
            raise BoxError(f"{what} is not ready after {seconds:.0f} s; see\n{logs}")
        time.sleep(0.2)


def _etcd_flags() -> list[str | Path]:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    flags: list[str | Path] = ["--name", "box", "--data-dir", ETCD_DATA, "--unsafe-no-fsync", "--log-level", "warn"]
    flags += ["--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer]
    return [*flags, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"box={peer}"]


def _api_flags() -> list[str | Path]:
    flags: dict[str, str | Path] = {
        "etcd-servers": "http://127.0.0.1:2379",
        "advertise-address": BRIDGE_ADDRESS,
        "secure-port": str(API_PORT),
        "service-cluster-ip-range": SERVICE_RANGE,
        "tls-cert-file": PKI / "apiserver.crt",
        "tls-private-key-file": PKI / "apiserver.key",
        "client-ca-file": PKI / "ca.crt",
        "kubelet-client-certificate": PKI / "apiserver-kubelet.crt",
        "kubelet-client-key": PKI / "apiserver-kubelet.key",
        "kubelet-preferred-address-types": "InternalIP",
        "service-account-key-file": PKI / "service-account.pub",
        "service-account-signing-key-file": PKI / "service-account.key",
        "service-account-issuer": _ISSUER,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "profiling": "false",
    }
    return [f"--{name}={value}" for name, value in flags.items()]
