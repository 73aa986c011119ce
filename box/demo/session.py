# SPDX-License-Identifier: Apache-2.0
"""One switch on a running box, from the edit to the proofs; `make demo` and the end-to-end test share it."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from box import core
from box.build import list_artifacts
from box.demo.api import Api
from box.demo.edit import build_direct, build_module_config, render_shown, render_yaml
from box.demo.load import Load
from box.demo.node import read_containerd_start
from box.demo.proofs import find_secret_leaks, prove_client, prove_folders, prove_pulls
from box.demo.pulls import judge_pulls
from box.demo.restarts import Look, compare_looks, read_containers
from box.demo.scene import Scene
from box.demo.summary import Proof, Result
from box.demo.watching import Screen, follow
from box.inventory import read_nodes
from box.layout import RUN, cache_folder
from box.registries.running import read_journal

MODULE_CONFIG = "/apis/deckhouse.io/v1alpha1/moduleconfigs/deckhouse"
EDIT_FILE = RUN / "demo" / "moduleconfig.yaml"
BEFORE_SECONDS = 6.0
AFTER_SECONDS = 6.0


def apply_registry(scene: Scene, section: Mapping[str, Any], say: Callable[[str], None]) -> datetime:
    """Apply ModuleConfig `deckhouse` with this registry section by kubectl; returns when that began."""
    document = build_module_config(scene.api.find(MODULE_CONFIG), section)
    EDIT_FILE.parent.mkdir(parents=True, exist_ok=True)
    EDIT_FILE.touch(mode=0o600)
    EDIT_FILE.write_text(render_yaml(document), encoding="utf-8")
    say(f"kubectl apply -f {EDIT_FILE}\n{render_shown(document)}")
    programs = {one.name: one.folder(cache_folder()) for one in list_artifacts(cache_folder())}
    began = datetime.now(UTC)
    core.exec([programs["kubernetes"] / "kubectl", "apply", "-f", EDIT_FILE])
    return began


def take_look(api: Api) -> Look:
    """Look at all containers and at each node's containerd."""
    return Look(
        containers=read_containers(api.fetch_items("/api/v1/pods")),
        containerds={node.name: read_containerd_start(node) for node in read_nodes()},
    )


def run_switch(scene: Scene, console: Console) -> Result:
    """Switch to Direct under load, follow it, and prove it."""
    load = Load(scene.puller, read_nodes(), scene.images)
    before = take_look(scene.api)
    console.rule("load: a puller a node")
    load.start()
    try:
        time.sleep(BEFORE_SECONDS)
        console.rule("the edit")
        edited = apply_registry(
            scene, build_direct(scene.target), lambda text: console.print(text, markup=False, soft_wrap=True)
        )
        console.rule("the switch")
        with Screen(console, edited, lambda: f"pulls {len(load.fetch_pulls())}") as screen:
            ending = follow(scene.api, "Direct", edited, screen.show)
        if ending.ready:
            time.sleep(AFTER_SECONDS)
    finally:
        pulls = load.stop()
    judgement = judge_pulls(pulls, read_journal())
    proofs = make_proofs(scene, console) if ending.ready else ()
    return Result(
        nodes=tuple(node.name for node in read_nodes()),
        edited=edited,
        ready=ending.ready,
        stopped=ending.stopped,
        spans=ending.spans,
        pulls=pulls,
        judgement=judgement,
        broken=load.fetch_broken(),
        restarted=compare_looks(before, take_look(scene.api)),
        proofs=proofs,
        leaks=find_secret_leaks(scene.api, scene.secrets),
    )


def make_proofs(scene: Scene, console: Console) -> tuple[Proof, ...]:
    """Make each proof and tell how it went."""
    console.rule("proofs")
    digests = scene.image_set.digests()["registry"]
    makers: tuple[Callable[[], Proof], ...] = (
        lambda: prove_pulls(scene.puller, scene.images),
        lambda: prove_folders(scene.real.host, scene.folders, scene.secrets),
        lambda: prove_client(scene.api, digests["inclusterProxyAuth"], scene.images[0].digest, scene.files.storage),
    )
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
