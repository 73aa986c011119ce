# SPDX-License-Identifier: Apache-2.0
"""What a switch needs to know of the box before it begins, read from a cluster at rest."""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from box.demo.api import Api
from box.demo.bases import FIXED_BASE, Base
from box.demo.edit import Target
from box.demo.imagery import read_load_images
from box.demo.load import LoadImage, Puller
from box.demo.node import read_folders
from box.demo.show import PLATFORM_SECRET, read_pulling
from box.demo.view import describe_wait
from box.demo.watching import fetch_moment
from box.errors import BoxError
from box.images import ImageSet
from box.inventory import read_nodes
from box.layout import RUN
from box.registries.files import RegistryFiles
from box.registries.running import get_files

SETTLE_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a switch needs to know of the box before it begins."""

    api: Api
    image_set: ImageSet
    files: RegistryFiles
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
    files = get_files("registry-a")
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
        folders={node.name: frozenset(read_folders(node)) for node in read_nodes()},
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


def _read_login(secret: Mapping[str, Any], host: str) -> tuple[str, str]:
    entry = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"][host]
    if "username" in entry:
        return str(entry["username"]), str(entry["password"])
    username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return username, password


def _is_settled(pod: Mapping[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in (pod.get("status") or {}).get("conditions") or ()}
    return conditions.get("Ready") == "True" or pod["status"].get("phase") == "Succeeded"
