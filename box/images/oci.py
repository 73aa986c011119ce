# SPDX-License-Identifier: Apache-2.0
"""Layers, configs, manifests and indexes of the OCI image specification, as bytes that depend on their input alone."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes with the media type under which a descriptor names them."""

    media_type: str
    content: bytes = field(repr=False)
    digest: str

    def descriptor(self) -> dict[str, object]:
        """Return the OCI descriptor."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A compressed layer and the digest of what it is uncompressed."""

    blob: Blob
    diff_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image for one platform: manifest, config and layers."""

    manifest: Blob
    config: Blob
    layers: tuple[Layer, ...]
    architecture: str

    def blobs(self) -> tuple[Blob, ...]:
        """Return everything but the manifest."""
        return (self.config, *(layer.blob for layer in self.layers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What a container of the image runs when nothing else is asked for."""

    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    user: str = ""
    stop_signal: str = ""
    environment: tuple[str, ...] = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin",)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file for a layer that is made from memory."""

    content: bytes = field(repr=False)
    mode: int = 0o644


def sha256(content: bytes) -> str:
    """Return the digest in the spelling of OCI."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def build_blob(media_type: str, content: bytes) -> Blob:
    """Return the bytes with their digest."""
    return Blob(media_type=media_type, content=content, digest=sha256(content))


def build_layer(files: Mapping[str, File], links: Mapping[str, str] | None = None) -> Layer:
    """Return a layer of files and symbolic links (path -> target), with the folders they need."""
    entries: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    for path, file in files.items():
        entries[path] = (_info(path, tarfile.REGTYPE, file.mode), file.content)
    for path, target in (links or {}).items():
        info = _info(path, tarfile.SYMTYPE, 0o777)
        info.linkname = target
        entries[path] = (info, b"")
    for path in list(entries):
        for parent in Path(path).parents:
            if str(parent) != "." and str(parent) not in entries:
                entries[str(parent)] = (_info(str(parent), tarfile.DIRTYPE, 0o755), b"")
    return _pack([entries[path] for path in sorted(entries)])


def build_layer_of_folder(root: Path, keep: Callable[[str], bool]) -> Layer:
    """Return a layer of what lies below `root` and whose relative path `keep` accepts; owned by root, without times."""
    entries: list[tuple[tarfile.TarInfo, bytes]] = []
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not keep(name):
            continue
        if path.is_symlink():
            info = _info(name, tarfile.SYMTYPE, 0o777)
            info.linkname = str(path.readlink())
            entries.append((info, b""))
        elif path.is_dir():
            entries.append((_info(name, tarfile.DIRTYPE, 0o755), b""))
        elif path.is_file():
            entries.append((_info(name, tarfile.REGTYPE, path.stat().st_mode & 0o755), path.read_bytes()))
    return _pack(entries)


def build_image(layers: Sequence[Layer], process: Process, architecture: str = "amd64") -> Image:
    """Return the image of these layers, the lowest first."""
    config: dict[str, object] = {"Entrypoint": list(process.entrypoint), "Env": list(process.environment)}
    if process.command:
        config["Cmd"] = list(process.command)
    if process.user:
        config["User"] = process.user
    if process.stop_signal:
        config["StopSignal"] = process.stop_signal
    config_blob = build_blob(
        CONFIG,
        _json(
            {
                "created": _CREATED,
                "architecture": architecture,
                "os": "linux",
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
                "history": [{"created": _CREATED, "created_by": "box/images"} for _ in layers],
            }
        ),
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config_blob.descriptor(),
        "layers": [layer.blob.descriptor() for layer in layers],
    }
    return Image(
        manifest=build_blob(MANIFEST, _json(manifest)),
        config=config_blob,
        layers=tuple(layers),
        architecture=architecture,
    )


def build_index(images: Sequence[Image]) -> Blob:
    """Return the index that names an image for each architecture."""
    manifests = [
        {**image.manifest.descriptor(), "platform": {"architecture": image.architecture, "os": "linux"}}
        for image in images
    ]
    return build_blob(INDEX, _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}))


def build_archive(image: Image, reference: str) -> bytes:
    """Return an OCI image layout as tar, which `ctr images import` names `reference`."""
    named = {**image.manifest.descriptor(), "annotations": {"io.containerd.image.name": reference}}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]}
    contents = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    for blob in (image.manifest, *image.blobs()):
        contents[f"blobs/sha256/{blob.digest.removeprefix('sha256:')}"] = blob.content
    return _tar([(_info(name, tarfile.REGTYPE, 0o644), contents[name]) for name in sorted(contents)])


def _info(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = mode
    return info


def _pack(entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> Layer:
    plain = _tar(entries)
    packed = gzip.compress(plain, compresslevel=6, mtime=0)
    return Layer(blob=build_blob(LAYER, packed), diff_id=sha256(plain))


def _tar(entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
