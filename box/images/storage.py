# SPDX-License-Identifier: Apache-2.0
"""Write the folder tree that distribution's filesystem driver reads (registry storage version 2).

Blobs lie once under `blobs/`; a repository holds small `link` files with the digests of its layers, its manifest
revisions and its tags.
"""

from dataclasses import dataclass
from pathlib import Path

from box.images.oci import Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryStorage:
    """One repository below the root directory of a registry."""

    root: Path
    repository: str

    def add_blob(self, blob: Blob) -> None:
        """Store a layer or a config, and let the repository serve it."""
        self._store(blob)
        self._link(f"_layers/{_hashed(blob.digest)}", blob.digest)

    def add_manifest(self, manifest: Blob, tag: str = "") -> None:
        """Store a manifest or an index, and name it by its digest and, if given, by a tag."""
        self._store(manifest)
        self._link(f"_manifests/revisions/{_hashed(manifest.digest)}", manifest.digest)
        if tag:
            self._link(f"_manifests/tags/{tag}/current", manifest.digest)
            self._link(f"_manifests/tags/{tag}/index/{_hashed(manifest.digest)}", manifest.digest)

    def _store(self, blob: Blob) -> None:
        hexadecimal = blob.digest.removeprefix("sha256:")
        path = self.root / "docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal / "data"
        if not path.exists():
            path.parent.mkdir(parents=True)
            path.write_bytes(blob.content)

    def _link(self, where: str, digest: str) -> None:
        folder = self.root / "docker/registry/v2/repositories" / self.repository / where
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "link").write_text(digest, encoding="ascii")


def _hashed(digest: str) -> str:
    return digest.replace(":", "/")
