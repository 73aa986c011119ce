# SPDX-License-Identifier: Apache-2.0
"""The images that must exist in a registry (the platform's rule for embedded modules)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from d8registry.errors import InvalidObject
from d8registry.model.image import RequiredImage
from d8registry.model.settings import CheckMode

DECKHOUSE_CONTAINER = "deckhouse"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformModule:
    """A `Module` object: kebab-case name, `properties.source` and `properties.requirements.bootstrapped`."""

    name: str
    source: str = ""
    needs_bootstrapped: bool = False


def required_images(
    digests: Mapping[str, Mapping[str, str]],
    modules: Iterable[PlatformModule],
    deckhouse_images: Mapping[str, str],
    check_mode: CheckMode,
) -> tuple[RequiredImage, ...]:
    """List what a registry must hold, sorted, each manifest once however many images share it.

    `digests` is `global.modulesImages.digests` (module and image in camelCase -> `sha256:…`). `deckhouse_images` are
    the containers and init containers of Deployment d8-system/deckhouse, name -> image; only what follows the
    repository counts, as the images move below another one. Raises InvalidObject when there is no container
    `deckhouse` among them: then nothing is known of what the platform runs.
    """
    if DECKHOUSE_CONTAINER not in deckhouse_images:
        raise InvalidObject(
            "Deployment d8-system/deckhouse has no container `deckhouse`; see kubectl -n d8-system get deploy deckhouse"
        )
    owners: dict[str, str] = {}
    for container, image in sorted(deckhouse_images.items(), key=lambda item: (item[0] != DECKHOUSE_CONTAINER, item)):
        if check_mode is CheckMode.DEFAULT or container == DECKHOUSE_CONTAINER:
            owners.setdefault(parse_reference(image), f"Deployment d8-system/deckhouse, container {container}")
    if check_mode is CheckMode.DEFAULT:
        for module in sorted(modules, key=lambda module: module.name):
            if module.source == "Embedded" and not module.needs_bootstrapped:
                for image, digest in sorted(digests.get(build_camel_case(module.name), {}).items()):
                    owners.setdefault(digest, f"module {module.name}, image {image}")
    return tuple(sorted(RequiredImage(reference=reference, owner=owner) for reference, owner in owners.items()))


def parse_reference(image: str) -> str:
    """Take the digest, else the tag, else `latest` of an image."""
    name, _, digest = image.partition("@")
    if digest:
        return digest
    return name.rpartition("/")[2].partition(":")[2] or "latest"


def build_camel_case(name: str) -> str:
    """Write a module's kebab-case name as the keys of values spell it: node-manager, nodeManager."""
    first, *rest = name.split("-")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
