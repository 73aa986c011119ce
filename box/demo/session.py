# SPDX-License-Identifier: Apache-2.0
"""One switch on a running box, from the edit to the proofs; `make demo` and the end-to-end test share it."""

import time
from collections.abc import Callable

from rich.console import Console

from box.demo.proofs import prove_client, prove_folders, prove_pulls
from box.demo.summary import Proof, Result
from box.inventory import read_nodes
from box.load.node import read_folders
from box.load.pulls import LOG_DELAY
from box.registries import running
from box.registries.catalogue import REGISTRY_A
from box.scenario import Scenario
from box.watch.follow import Screen

BEFORE_SECONDS = 6.0
AFTER_SECONDS = 6.0


def run_switch(run: Scenario, console: Console) -> Result:
    """Switch to Direct under load, follow it, and prove it."""
    folders = {node.name: frozenset(read_folders(node)) for node in read_nodes()}
    console.rule("load: a puller a node")
    time.sleep(BEFORE_SECONDS)
    console.rule("the edit")
    switch = run.edit(run.direct(REGISTRY_A.name))
    console.rule("the switch")
    with Screen(console, switch.started, lambda: f"pulls {len(run.load.fetch_pulls())}") as screen:
        ending = run.follow(show=screen.show)
    if ending.ready:
        time.sleep(AFTER_SECONDS)
    run.load.stop()
    # The proofs pull the same images: not within the time in which a request still counts for the load's last pull.
    time.sleep(LOG_DELAY.total_seconds())
    password = running.find_login(REGISTRY_A.name).password
    makers: tuple[Callable[[], Proof], ...] = (
        lambda: prove_pulls(run.puller, run.load_images),
        lambda: prove_folders(REGISTRY_A.host, folders, (password, f"{REGISTRY_A.user}:{password}")),
        lambda: prove_client(run.api, run.tools.images, run.load_images[0].digest),
    )
    proofs = make_proofs(makers, console) if ending.ready else ()
    return Result(
        nodes=tuple(node.name for node in read_nodes()),
        edited=switch.started,
        ready=ending.ready,
        stopped=ending.stopped,
        spans=ending.spans,
        pulls=run.load.fetch_pulls(),
        verdict=run.judge(),
        proofs=proofs,
    )


def make_proofs(makers: tuple[Callable[[], Proof], ...], console: Console) -> tuple[Proof, ...]:
    """Make each proof and tell how it went."""
    console.rule("proofs")
    proofs = []
    for make in makers:
        proof = make()
        console.print(
            f"{'FAILED' if proof.problems else 'proven'}  {proof.name}: {proof.detail}", markup=False, soft_wrap=True
        )
        for problem in proof.problems:
            console.print(f"        {problem}", markup=False, soft_wrap=True)
        proofs.append(proof)
    return tuple(proofs)
