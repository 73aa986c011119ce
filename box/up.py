# SPDX-License-Identifier: Apache-2.0
"""Starts a box: an explicit list of stages, each with a line of progress."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from box import (
    controlplane,
    core,
    dns,
    down,
    holder,
    inventory,
    network,
    nodelife,
    operator,
    platform,
    process,
    state,
)
from box.build import Tools, build_all, find_containerd
from box.errors import BoxError
from box.layout import KUBECONFIG, LOGS, RUN, Node, cache_folder
from box.machine import check_machine
from box.platform import pace
from box.platform.cluster import PlatformError
from box.platform.registry_secret import RegistrySecret
from box.registries import running
from box.registries.catalogue import REGISTRY_A, list_names
from box.registries.start import Programs
from box.report import Report

_LOST_SECONDS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked `up` for."""

    operator: Path | None = None
    bundle: Path | None = None
    containerd: Path | None = None
    masters: int = 1
    workers: int = 2
    old_containerd: tuple[str, ...] = ()
    takeover_delay: float = pace.DEFAULT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of the box, handed to each stage."""

    options: Options
    nodes: tuple[Node, ...]
    tools: Tools
    containerd: Path
    report: Report


def bring_up(options: Options, report: Report) -> None:
    """Start a box and return when all of it works; raises BoxError. What a failed start leaves is removed by `down`."""
    check_machine()
    nodes = inventory.plan_nodes(options.masters, options.workers, options.old_containerd)
    program = operator.find_program(options.operator)
    chosen = find_containerd(options.containerd) if options.containerd else None
    with holder.hold() as held:
        if not held:
            raise BoxError(f"{holder.describe_holder()} is at work on the box just now, run folder {RUN}; wait for it")
        _check_nothing_runs(report)
        with report.stage("programs and images from the cache"):
            tools = build_all(report)
        containerd = chosen or tools.containerd
        started = state.new_state(os.getpid(), str(program or "box.runner"), str(containerd))
        state.write_state(started)
        inventory.write_nodes(nodes)
        pace.write_delay(options.takeover_delay)
        options = replace(options, operator=program, containerd=chosen)
        run_stages(Start(options=options, nodes=nodes, tools=tools, containerd=containerd, report=report))
        started.mark_complete()


def run_stages(start: Start) -> None:
    """Run the stages in order, with a line of progress for each."""
    stages: list[tuple[str, Callable[[Start], object]]] = [
        ("network", lambda _: network.create_network()),
        ("registry A", start_registry),
        ("certificates, networks and disks of the nodes", create_nodes),
        ("etcd and API server", start_api),
        ("controller-manager, scheduler, cluster DNS", lambda start: controlplane.start_controllers(start.tools)),
        ("names", lambda _: check_names()),
        ("the module", install_module),
        ("objects of the platform", lambda start: platform.install(start.tools.images, build_secret())),
        ("stand-ins of the platform", lambda start: platform.start(start.tools.images)),
        ("nodes", lambda start: nodelife.start_nodes(start.nodes, start.containerd)),
        ("nodes Ready", lambda start: nodelife.await_ready(start.nodes)),
        ("workloads, and the operator with the module", install_workloads),
    ]
    for title, stage in stages:
        with start.report.stage(title):
            stage(start)


def start_api(start: Start) -> None:
    """Start etcd and the API server."""
    controlplane.start_etcd(start.tools)
    controlplane.start_api(start.tools)


def start_registry(start: Start) -> None:
    """Start registry A; others are started when somebody wants them."""
    tools = start.tools
    programs = Programs(cache=cache_folder(), image_set=tools.images, distribution=tools.distribution)
    running.start_in_box(REGISTRY_A.name, programs, start.report.line)


def create_nodes(start: Start) -> None:
    """Issue all certificates, and make the network and the disk of every node."""
    authority = controlplane.create_certificates()
    core.write_resolv_conf()
    for each in start.nodes:
        nodelife.create_node(each, start.tools, start.containerd, authority)


def build_secret() -> RegistrySecret:
    """Build `deckhouse-registry` with registry A as the registry that the platform was installed from."""
    ca = running.get_files(REGISTRY_A.name).ca.read_text(encoding="utf-8")
    login = running.find_login(REGISTRY_A.name)
    return platform.build_secret(REGISTRY_A.host, f"/{REGISTRY_A.paths[0]}", ca, login.user, login.password)


def install_module(start: Start) -> None:
    """Put the module to where the operator looks for it; the operator itself starts with deckhouse's pod."""
    operator.install_module(start.report.line, start.options.bundle)
    operator.write_launch(start.tools, start.options.operator)


def install_workloads(start: Start) -> None:
    """Render the platform's workloads and wait until they run; deckhouse's pod is Ready only when its operator is."""
    log = LOGS / f"{operator.NAME}.log"
    lost_since: list[float] = []

    def find_hopeless() -> str:
        if not log.exists() or operator.find() is not None:
            lost_since.clear()
            return ""
        lost_since.append(time.monotonic())
        return "the operator ended at once" if lost_since[-1] - lost_since[0] > _LOST_SECONDS else ""

    try:
        platform.install_workloads(start.tools.images, build_secret(), find_hopeless)
    except PlatformError as error:
        raise BoxError(f"{error}; the operator's log {log}:\n{process.tail(log)}") from error


def check_names() -> None:
    """Ask cluster DNS what a node would; raises BoxError for a wrong answer."""
    for name, address in list_names().items():
        if dns.ask(name) != [address]:
            raise BoxError(f"cluster DNS gives {dns.ask(name)} for {name}, not {address}; see {RUN}/logs/coredns.log")
    if dns.ask("registry.d8-system.svc"):
        raise BoxError("cluster DNS answers registry.d8-system.svc without a search path; a cluster's does not")


def _check_nothing_runs(report: Report) -> None:
    """Raise BoxError, without touching anything, when a box runs; remove what a dead one left."""
    found = state.read_state()
    alive = [record for record in process.read_records() if process.is_alive(record)]
    if found and alive:
        whole = "a box runs already" if found.complete else "a box that did not come up whole is there"
        raise BoxError(
            f"{whole}: started by pid {found.up_pid} at {found.since}, {len(alive)} processes (first: {alive[0].name}, "
            f"pid {alive[0].pid}), run folder {RUN}, kubeconfig {KUBECONFIG}.\n"
            "Look at it: python -m box status. End it: python -m box down."
        )
    if down.find_remains():
        report.line("removing what a box that died has left")
        down.remove_box(report)
