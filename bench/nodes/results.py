# SPDX-License-Identifier: Apache-2.0
"""RESULTS.md: what was measured, beside its bound, and how."""

from datetime import datetime
from typing import Any

from bench.nodes.fleet import FleetResult
from bench.nodes.plans import FLEET, INTERVAL, JITTER
from bench.nodes.pulls import IMAGE, ROUNDS

LAYERS = ", ".join(map(str, IMAGE))


def render_results(noop: float, pulls: dict[str, Any], fleet: FleetResult, machine: str, now: datetime) -> str:
    """Render the page."""
    worker, master = pulls["worker"], pulls["master"]
    rows = [
        ("a round with nothing to do, CPU with all children", f"{noop:.3f} s", "0.15 s"),
        (
            "pull of config and three layers behind a dead source, containerd 2.x",
            f"{pulls['dead_source']:.2f} s",
            "2 s",
        ),
        ("the same with stock containerd's dial timeout", f"{pulls['dead_source_stock']:.1f} s", "-"),
        ("proof of an image on a master, pulled and pinned / plain pull of such an image", _ratio(master), "1.5"),
        ("proof of an image on a worker / plain pull of such an image", _ratio(worker, "whole"), "1.5"),
        ("the same / plain pull of only those bytes that it fetches", _ratio(worker), "-"),
        (f"new plan on 50 % of {FLEET} nodes", f"{fleet.p50:.1f} s", "-"),
        (f"new plan on 99 % of {FLEET} nodes", f"{fleet.p99:.1f} s", "60 s"),
        ("API server, CPU from the write of the plan to then", f"{fleet.server_cpu:.1f} % of a core", "40 %"),
        (
            f"API server, CPU while nothing is new ({fleet.polls_per_second:.0f} polls/s)",
            f"{fleet.server_cpu_steady:.1f} %",
            "-",
        ),
        ("etcd, CPU from the write of the plan to then", f"{fleet.etcd_cpu:.1f} %", "-"),
        ("load generator, CPU from the write of the plan to then", f"{fleet.generator_cpu:.1f} %", "-"),
        ("failed requests of the fleet", str(fleet.errors), "0"),
    ]
    table = "\n".join(f"| {what} | {seen} | {bound} |" for what, seen, bound in rows)
    return f"""\
# Nodes: as measured

Written by `make bench-nodes` on {now:%Y-%m-%d %H:%M} UTC. Machine: {machine}.

| what | measured | bound |
| --- | --- | --- |
{table}

How:

- **Idle round**: the real `registry-node` in a scratch root polls a real kube-apiserver with a kubelet's certificate;
  user and system time of the process and all that it started, median of 25.
- **Dead source**: packets to the first source are lost (a network namespace); the second answers over TLS. The image is
  pulled through CRI with the module's hosts.toml (`dial_timeout = "300ms"`), median of {ROUNDS}; stock is the same file
  without `dial_timeout`, one pull, given up after {pulls["stock_limit"]:.0f} s.
- **Proof**: the round of `registry-node` that takes a plan with a proof, less a round that takes one without; median of
  {ROUNDS}, files in memory, distribution 3 in a process of its own, over TLS, with tokens. The image is as large as the
  platform's: layers of {LAYERS} MiB. "The same content" of the bound is read as the same image: `proof_vs_pull` is the
  greater of the first two rows, what a node does for its proof beside a plain `ctr images pull`. A master also fetches,
  pulls and pins all of it; a worker fetches the manifest and the smallest layer. Read as the same bytes (third row:
  beside the worker's proof a pull of an image of that layer alone) it is more for a small layer: a proof starts
  containerd's client twice, since only the manifest names the layer, and a pull once.
- **Fleet**: {FLEET} simulated nodes poll every {INTERVAL} s and up to {JITTER:.1f} s more, as systemd's timer has it,
  each with a client certificate of its own and a new TLS connection a request, and replay what the real program was
  recorded to send (the Secret; the report of a new plan; every five minutes the own Node), over HTTP/1.1 with the key
  exchange of OpenSSL 3.0. The API server runs with Node and RBAC authorisation, NodeRestriction, the chart's Role, an
  ECDSA P-256 certificate (an RSA one costs it about 1 ms more a connection) and no audit log; Nodes list fifty images;
  one watcher follows all Nodes, as the operator does. Leases and status of kubelets, and other watchers, are not
  simulated. Between plan and report a node waits 0.5 s for its proof. etcd's data lie in memory.
"""


def compare(pulls: dict[str, Any]) -> float:
    """How many times a plain pull of an image its proof takes, on a worker or on a master: the greater."""
    return max(float(pulls[role]["proof"] / pulls[role]["whole"]) for role in ("worker", "master"))


def _ratio(seconds: dict[str, float], pull: str = "pull") -> str:
    return f"{seconds['proof'] / seconds[pull]:.2f} ({seconds['proof']:.3f} s / {seconds[pull]:.3f} s)"
