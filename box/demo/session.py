# SPDX-License-Identifier: Apache-2.0
"""One switch on a running box, from the edit to the proofs; `make demo` and the end-to-end test share it."""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from box import core, registry
from box.build import list_artifacts
from box.demo.api import Api
from box.demo.bases import FIXED_BASE, Base
from box.demo.edit import Target, build_direct, build_module_config, render_shown, render_yaml
from box.demo.imagery import read_load_images
from box.demo.load import Load, LoadImage, Puller
from box.demo.node import read_containerd_start, read_folders
from box.demo.proofs import find_secret_leaks, prove_client, prove_folders, prove_pulls
from box.demo.pulls import judge_pulls
from box.demo.restarts import Look, compare_looks, read_containers
from box.demo.show import PLATFORM_SECRET, read_pulling
from box.demo.summary import Proof, Result
from box.demo.view import describe_wait
from box.demo.watching import Screen, fetch_moment, follow
from box.errors import BoxError
from box.images import ImageSet
from box.layout import NODES, RUN, cache_folder
from box.registrylog import parse_requests

MODULE_CONFIG = "/apis/deckhouse.io/v1alpha1/moduleconfigs/deckhouse"
EDIT_FILE = RUN / "demo" / "moduleconfig.yaml"
SETTLE_SECONDS = 120.0
BEFORE_SECONDS = 6.0
AFTER_SECONDS = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a switch needs to know of the box before it begins."""

    api: Api
    image_set: ImageSet
    files: registry.RegistryFiles
    target: Target
    real: Base
    images: tuple[LoadImage, ...]
    folders: Mapping[str, frozenset[str]]
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def puller(self) -> Puller:
        """A puller that knows the real base as old and the fixed one as new."""
        return Puller(self.api, {"old": self.real, "new": FIXED_BASE})


@contextmanager
def open_scene(image_set: ImageSet) -> Iterator[Scene]:
    """Wait until the cluster is at rest in Unmanaged, and read from it what an administrator would."""
    api = Api()
    try:
        await_rest(api)
        yield _read_scene(api, image_set)
    finally:
        api.close()


def _read_scene(api: Api, image_set: ImageSet) -> Scene:
    secret = api.fetch(PLATFORM_SECRET)
    pulling = read_pulling(secret)
    username, password = _read_login(secret, pulling.address)
    in_use = [
        container["image"].partition("@")[2]
        for pod in api.fetch_items("/api/v1/pods")
        for container in pod["spec"]["containers"]
    ]
    files = registry.registry_files(RUN)
    return Scene(
        api=api,
        image_set=image_set,
        files=files,
        target=Target(
            images_repo=pulling.address + pulling.path,
            username=username,
            password=password,
            ca=base64.b64decode(secret["data"].get("ca", "")).decode(),
            scheme=pulling.scheme.upper(),
        ),
        real=Base(host=pulling.address, path=pulling.path),
        images=read_load_images(image_set, files.storage, in_use),
        folders={node.name: frozenset(read_folders(node)) for node in NODES},
        secrets=(password, f"{username}:{password}"),
    )


def await_rest(api: Api) -> None:
    """Wait until the module says Ready in Unmanaged, each node has reported and each pod is Ready.

    Raises BoxError after 120 s, with what is waited for.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while waits := _describe_unrest(api):
        if time.monotonic() > deadline:
            raise BoxError(f"no rest in the cluster after {SETTLE_SECONDS:.0f} s; it waits for {waits}; see {RUN}/logs")
        time.sleep(0.5)


def _describe_unrest(api: Api) -> str:
    moment = fetch_moment(api, ())
    view, fleet = moment.view, moment.fleet
    if view.mode != "Unmanaged" or not view.is_true("Ready"):
        return f"Ready in Unmanaged (mode {view.mode or 'unknown'}): {describe_wait(view)}"
    if fleet.done < fleet.total:
        return f"nodes: {', '.join(fleet.open)}"
    unready = [pod["metadata"]["name"] for pod in api.fetch_items("/api/v1/pods") if not _is_settled(pod)]
    return f"pods {', '.join(unready)}" if unready else ""


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
        containerds={node.name: read_containerd_start(node) for node in NODES},
    )


def run_switch(scene: Scene, console: Console) -> Result:
    """Switch to Direct under load, follow it, and prove it."""
    load = Load(scene.puller, NODES, scene.images)
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
    judgement = judge_pulls(pulls, parse_requests(scene.files.log.read_text(encoding="utf-8")))
    proofs = make_proofs(scene, console) if ending.ready else ()
    return Result(
        nodes=tuple(node.name for node in NODES),
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
    log, digests = scene.files.log, scene.image_set.digests()["registry"]
    makers: tuple[Callable[[], Proof], ...] = (
        lambda: prove_pulls(scene.puller, scene.images, log),
        lambda: prove_folders(scene.real.host, scene.folders, scene.secrets),
        lambda: prove_client(
            scene.api, digests["inclusterProxyAuth"], scene.images[0].digest, scene.files.storage, log
        ),
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


def _read_login(secret: Mapping[str, Any], host: str) -> tuple[str, str]:
    entry = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"][host]
    if "username" in entry:
        return str(entry["username"]), str(entry["password"])
    username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return username, password


def _is_settled(pod: Mapping[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in (pod.get("status") or {}).get("conditions") or ()}
    return conditions.get("Ready") == "True" or pod["status"].get("phase") == "Succeeded"
