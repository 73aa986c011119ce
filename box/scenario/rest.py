# SPDX-License-Identifier: Apache-2.0
"""When a cluster is at rest, and what a scenario reads from it before it begins."""

import base64
import time
from collections.abc import Iterable, Mapping
from typing import Any

from box.errors import BoxError
from box.images import ImageSet
from box.judge.allowance import Settings
from box.layout import RUN
from box.load.bases import Base
from box.load.imagery import LoadImage, find_smallest_layer, list_blobs
from box.registries import running
from box.registries.catalogue import REGISTRY_A
from box.scenario.apply import MODULE_CONFIG
from box.scenario.settings import DIRECT, read_settings
from box.watch.api import Api
from box.watch.follow import fetch_moment
from box.watch.view import describe_wait

SETTLE_SECONDS = 180.0
PLATFORM_SECRET = "/api/v1/namespaces/d8-system/secrets/deckhouse-registry"  # noqa: S105 - a path


def await_rest(api: Api, mode: str = "") -> None:
    """Wait until the module says Ready (in `mode`, if given), each node has reported and each pod is Ready.

    Raises BoxError after 180 s, with what is waited for.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while waits := describe_unrest(api, mode):
        if time.monotonic() > deadline:
            raise BoxError(f"no rest in the cluster after {SETTLE_SECONDS:.0f} s; it waits for {waits}; see {RUN}/logs")
        time.sleep(0.5)


def describe_unrest(api: Api, mode: str = "") -> str:
    """What is waited for, empty at rest."""
    moment = fetch_moment(api, ())
    view, fleet = moment.view, moment.fleet
    if view.step or not view.is_true("Ready") or mode not in ("", view.mode):
        return f"Ready{f' in {mode}' if mode else ''} (mode {view.mode or 'unknown'}): {describe_wait(view)}"
    if fleet.done < fleet.total:
        return f"nodes: {', '.join(fleet.open)}"
    unready = [pod["metadata"]["name"] for pod in api.fetch_items("/api/v1/pods") if not _is_settled(pod)]
    return f"pods {', '.join(unready)}" if unready else ""


def read_present(api: Api) -> Settings:
    """What the cluster pulls by now: from ModuleConfig `deckhouse`, or as it was installed from registry A."""
    login = running.find_login(REGISTRY_A.name)
    installed = Settings(
        mode="Unmanaged",
        registry=REGISTRY_A.name,
        path=REGISTRY_A.paths[0],
        user=login.user,
        password=login.password,
    )
    config = api.find(MODULE_CONFIG) or {}
    section = ((config.get("spec") or {}).get("settings") or {}).get("registry") or {}
    if section.get("mode") == DIRECT and read_base(api.fetch(PLATFORM_SECRET)).host == installed.registry:
        return installed  # asked for, and not begun
    return read_settings(section, installed)


def read_base(secret: Mapping[str, Any]) -> Base:
    """The prefix of the platform's references, from Secret `deckhouse-registry`."""
    data = {key: base64.b64decode(secret["data"][key]).decode() for key in ("address", "path")}
    return Base(host=data["address"], path=data["path"])


def list_images_in_use(api: Api) -> frozenset[str]:
    """Digests that pods name now."""
    pods = api.fetch_items("/api/v1/pods")
    return frozenset(one["image"].partition("@")[2] for pod in pods for one in pod["spec"]["containers"])


def find_reloaded_blobs(image_set: ImageSet, load_images: Iterable[LoadImage]) -> frozenset[str]:
    """Blobs that a node fetches again because the load has removed them: all of its images', also what others share.

    Only the base layer, which every image has, is kept on each node by what runs there.
    """
    kept = list_blobs(image_set.storage, image_set.deckhouse_digest)
    return frozenset(blob for one in load_images for blob in list_blobs(image_set.storage, one.digest)) - kept


def find_proof_blobs(image_set: ImageSet) -> frozenset[str]:
    """Blobs that nodes fetch past their local store to prove a source."""
    return frozenset({find_smallest_layer(image_set.storage, image_set.deckhouse_digest)})


def _is_settled(pod: Mapping[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in (pod.get("status") or {}).get("conditions") or ()}
    # A finished pod is at rest, one of a Job that a power cut made fail too.
    return conditions.get("Ready") == "True" or pod["status"].get("phase") in ("Succeeded", "Failed")
