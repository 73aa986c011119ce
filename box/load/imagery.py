# SPDX-License-Identifier: Apache-2.0
"""Which images the load pulls and which blobs prove that one was fetched, from a registry's storage folder."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadImage:
    """One image of the load.

    `blobs` are the config and layers that no other image of the load has; `configs` the digests of its configs, under
    which the kubelet's image store lists it as well.
    """

    digest: str
    blobs: frozenset[str]
    configs: tuple[str, ...]


def read_load_images(digests: Iterable[str], storage: Path, in_use: Iterable[str] = ()) -> tuple[LoadImage, ...]:
    """Read the manifests of images; images that running pods use are left out (theirs would be removed)."""
    used = set(in_use)
    blobs = {digest: list_blobs(storage, digest) for digest in digests if digest not in used}
    counts = Counter(blob for each in blobs.values() for blob in each)
    return tuple(
        LoadImage(
            digest=digest,
            blobs=frozenset(blob for blob in each if counts[blob] == 1),
            configs=list_configs(storage, digest),
        )
        for digest, each in blobs.items()
    )


def list_blobs(storage: Path, digest: str) -> frozenset[str]:
    """Digests of an image's config and layers, of all architectures of an index."""
    manifest = _read_manifest(storage, digest)
    if "manifests" in manifest:
        return frozenset(blob for one in manifest["manifests"] for blob in list_blobs(storage, one["digest"]))
    return frozenset(one["digest"] for one in (manifest["config"], *manifest["layers"]))


def list_configs(storage: Path, digest: str) -> tuple[str, ...]:
    """Digests of an image's configs, one an architecture."""
    manifest = _read_manifest(storage, digest)
    if "manifests" in manifest:
        return tuple(name for one in manifest["manifests"] for name in list_configs(storage, one["digest"]))
    return (str(manifest["config"]["digest"]),)


def find_smallest_layer(storage: Path, digest: str) -> str:
    """Digest of the smallest layer of a single-architecture image."""
    layers = _read_manifest(storage, digest)["layers"]
    return str(min(layers, key=lambda one: int(one["size"]))["digest"])


def _read_manifest(storage: Path, digest: str) -> dict[str, Any]:
    algorithm, _, text = digest.partition(":")
    path = storage / "docker/registry/v2/blobs" / algorithm / text[:2] / text / "data"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest
