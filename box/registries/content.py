# SPDX-License-Identifier: Apache-2.0
"""What a registry holds: the platform's images under each of its paths, and images that are its tenants' alone."""

import os
import shutil
from pathlib import Path

from box.images import ImageSet
from box.images.build import fetch_busybox_layer
from box.images.debian import Report
from box.images.oci import File, Image, build_image, build_layer
from box.images.platform import IDLE, make_noise
from box.images.storage import RepositoryStorage
from box.registries.catalogue import TENANT_REPOSITORY, Registry

TENANT_IMAGES = 6
_TENANT_BYTES = 96 * 1024


def fill_storage(target: Path, registry: Registry, image_set: ImageSet, cache: Path, report: Report) -> None:
    """Make the storage of a registry; blobs are links to the cache's, so that many registries cost no disk."""
    copying = target.with_name(f".{target.name}")
    shutil.rmtree(copying, ignore_errors=True)
    shutil.copytree(image_set.storage, copying, copy_function=_link_blob)
    repositories = copying / "docker/registry/v2/repositories"
    present = repositories / image_set.repository
    for path in registry.paths:
        if path != image_set.repository:
            shutil.copytree(present, repositories / path)
    if image_set.repository not in registry.paths:
        shutil.rmtree(repositories / image_set.repository.partition("/")[0])
    if registry.has_tenants:
        storage = RepositoryStorage(root=copying, repository=TENANT_REPOSITORY)
        for image in build_tenant_images(registry, cache, report):
            for blob in image.blobs():
                storage.add_blob(blob)
            storage.add_manifest(image.manifest)
    copying.rename(target)


def build_tenant_images(registry: Registry, cache: Path, report: Report) -> tuple[Image, ...]:
    """Images of the tenant: each has a layer of its own, and none is in another registry."""
    base = fetch_busybox_layer(cache, report)
    layers = (
        build_layer({"usr/share/tenant.data": File(content=make_noise(f"{registry.name}/{number}", _TENANT_BYTES))})
        for number in range(TENANT_IMAGES)
    )
    return tuple(build_image([base, layer], IDLE) for layer in layers)


def list_tenant_digests(storage: Path) -> tuple[str, ...]:
    """Digests of the tenants' images in a registry's storage, sorted."""
    revisions = storage / "docker/registry/v2/repositories" / TENANT_REPOSITORY / "_manifests/revisions/sha256"
    return tuple(sorted(f"sha256:{path.name}" for path in revisions.glob("*")))


def _link_blob(source: str, target: str) -> str:
    """Link a blob where that is possible; small files, which name a digest, are copied."""
    if Path(source).name == "data":
        try:
            os.link(source, target)
        except OSError:  # another file system
            return str(shutil.copy2(source, target))
        return target
    return str(shutil.copy2(source, target))
