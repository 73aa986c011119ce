# SPDX-License-Identifier: Apache-2.0
"""What the platform image set of the box contains: names, digests and where the files lie."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformImage:
    """One image of the set: module and name in camel case, its digest, and whether it is an index."""

    module: str
    name: str
    digest: str
    index: bool
    unique_layer: str  # digest of a layer that no other image of the set has (on amd64)
    size: int  # bytes a client downloads for amd64: manifest or index, config, layers


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """The platform image set in the cache, as `build` made it."""

    key: str
    repository: str  # below the registry's host, for example "deckhouse/ee"
    tag: str  # of the deckhouse image
    deckhouse_digest: str
    images: tuple[PlatformImage, ...]  # sorted by module and name; all of `global.modulesImages.digests`
    load_images: tuple[str, ...]  # digests meant for the load generator: each has a layer of its own
    storage: Path  # root directory for distribution's filesystem driver
    pause_tar: Path  # OCI archive for `ctr images import`
    pause_reference: str

    def digests(self) -> dict[str, dict[str, str]]:
        """Return `global.modulesImages.digests`: digest per module and image, both in camel case."""
        found: dict[str, dict[str, str]] = {}
        for image in self.images:
            found.setdefault(image.module, {})[image.name] = image.digest
        return found

    def digest(self, module: str, name: str) -> str:
        """Return the digest of one image; raises KeyError with the names that there are."""
        try:
            return self.digests()[module][name]
        except KeyError:
            known = ", ".join(f"{image.module}.{image.name}" for image in self.images)
            raise KeyError(f"no image {module}.{name} in the image set; there are: {known}") from None

    def total_size(self) -> int:
        """Return the bytes of all blobs in the registry's storage."""
        return sum(path.stat().st_size for path in (self.storage / "docker/registry/v2/blobs").rglob("data"))


def write_image_set(image_set: ImageSet, path: Path) -> None:
    """Write the set as JSON; paths are kept relative to the file's folder, so that the cache may be moved."""
    content = asdict(image_set)
    for field in ("storage", "pause_tar"):
        content[field] = str(Path(content[field]).relative_to(path.parent))
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_image_set(path: Path) -> ImageSet:
    """Read what write_image_set wrote."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return ImageSet(
        key=content["key"],
        repository=content["repository"],
        tag=content["tag"],
        deckhouse_digest=content["deckhouse_digest"],
        images=tuple(PlatformImage(**image) for image in content["images"]),
        load_images=tuple(content["load_images"]),
        storage=path.parent / content["storage"],
        pause_tar=path.parent / content["pause_tar"],
        pause_reference=content["pause_reference"],
    )
