# SPDX-License-Identifier: Apache-2.0
"""Build the box's image set once into the cache.

The set is keyed by a hash over everything that goes into it, so a change of a file in `images/` or of a package
makes a new one beside the old.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from box.images import platform, shipped
from box.images.debian import Report, fetch_packages
from box.images.imageset import ImageSet, PlatformImage, read_image_set, write_image_set
from box.images.oci import Image, Layer, build_archive, build_image, build_index
from box.images.storage import RepositoryStorage

_SOURCES = Path(__file__).parent
_SHIPPED = Path(__file__).parents[2] / "images"
# Image in `global.modulesImages.digests.registry` -> folder under images/.
_SHIPPED_IMAGES = {"inclusterProxy": "proxy", "inclusterProxyAuth": "auth"}


def build(cache: Path, report: Report) -> ImageSet:
    """Return the image set, building it first if the cache has none for the present sources.

    `report` gets a line for each thing that takes time. Raises PackagesError if Debian packages cannot be fetched.
    """
    busybox = fetch_packages(cache, ["busybox-static"], report)
    rootfs = {name: shipped.fetch_rootfs(cache, _SHIPPED / folder, report) for name, folder in _SHIPPED_IMAGES.items()}
    key = _key([busybox, *rootfs.values()])
    target = cache / "images" / key
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=target.parent))
        try:
            write_image_set(_build_into(building, key, busybox, rootfs, report), building / "image-set.json")
            building.chmod(0o755)
            building.rename(target)
        except OSError:
            if not target.is_dir():
                raise
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return read_image_set(target / "image-set.json")


def _build_into(target: Path, key: str, busybox: Path, rootfs: dict[str, Path], report: Report) -> ImageSet:
    storage = RepositoryStorage(root=target / "storage", repository=platform.REPOSITORY)
    report("building the platform image set")
    base = _busybox_layer(busybox)
    images = [
        _add_platform_image(storage, base, module, name)
        for module, names in sorted(platform.MODULES.items())
        for name in sorted(names)
    ]
    for name, folder in sorted(_SHIPPED_IMAGES.items()):
        report(f"building the module's image {name} from Debian packages")
        image = shipped.build_shipped_image(rootfs[name], _SHIPPED / folder)
        images.append(_add_image(storage, image, "registry", name))
    deckhouse = build_image([base, platform.build_deckhouse_layer()], platform.DECKHOUSE)
    for blob in deckhouse.blobs():
        storage.add_blob(blob)
    storage.add_manifest(deckhouse.manifest, platform.TAG)
    pause = target / "pause.tar"
    pause.write_bytes(build_archive(build_image([base], platform.IDLE), platform.PAUSE_REFERENCE))
    images.sort(key=lambda image: (image.module, image.name))
    image_set = ImageSet(
        key=key,
        repository=platform.REPOSITORY,
        tag=platform.TAG,
        deckhouse_digest=deckhouse.manifest.digest,
        images=tuple(images),
        load_images=tuple(image.digest for image in images if image.module in platform.LOAD_MODULES),
        storage=storage.root,
        pause_tar=pause,
        pause_reference=platform.PAUSE_REFERENCE,
    )
    report(f"image set {key}: {len(images) + 1} images, {image_set.total_size() / 1e6:.1f} MB")
    return image_set


def _add_platform_image(storage: RepositoryStorage, base: Layer, module: str, name: str) -> PlatformImage:
    layers = platform.build_platform_layers(module, name)
    image = build_image([base, layers.module, layers.unique], platform.IDLE)
    if (module, name) != platform.MULTI_ARCHITECTURE:
        return _add_image(storage, image, module, name)
    # No arm64 machine ever runs this: the second image is there to be named by the index and checked.
    foreign_layers = platform.build_platform_layers(module, name, "arm64")
    foreign = build_image([foreign_layers.module, foreign_layers.unique], platform.IDLE, "arm64")
    for part in (image, foreign):
        for blob in part.blobs():
            storage.add_blob(blob)
        storage.add_manifest(part.manifest)
    index = build_index([image, foreign])
    storage.add_manifest(index)
    return PlatformImage(
        module=module,
        name=name,
        digest=index.digest,
        index=True,
        unique_layer=layers.unique.blob.digest,
        size=len(index.content) + _size(image),
    )


def _add_image(storage: RepositoryStorage, image: Image, module: str, name: str) -> PlatformImage:
    for blob in image.blobs():
        storage.add_blob(blob)
    storage.add_manifest(image.manifest)
    return PlatformImage(
        module=module,
        name=name,
        digest=image.manifest.digest,
        index=False,
        unique_layer=image.layers[-1].blob.digest,
        size=_size(image),
    )


def _size(image: Image) -> int:
    return len(image.manifest.content) + sum(len(blob.content) for blob in image.blobs())


def fetch_busybox_layer(cache: Path, report: Report) -> Layer:
    """Return the base layer that every stand-in image has."""
    return _busybox_layer(fetch_packages(cache, ["busybox-static"], report))


def _busybox_layer(packages: Path) -> Layer:
    binary = packages / "root/bin/busybox"
    listed = subprocess.run([str(binary), "--list"], capture_output=True, text=True, check=True)
    return platform.build_busybox_layer(binary.read_bytes(), tuple(sorted(listed.stdout.split())))


def _key(packages: list[Path]) -> str:
    """Hash the sources of the builder, the files of the shipped images and the lists of packages."""
    digest = hashlib.sha256()
    sources = [path for path in _SOURCES.rglob("*.py") if path.is_file()]
    for folder in _SHIPPED_IMAGES.values():
        recipe = shipped.read_recipe(_SHIPPED / folder)
        sources.append(_SHIPPED / folder / "image.json")
        for name in recipe["copy"]:
            source = _SHIPPED / folder / name
            found = [source] if source.is_file() else source.rglob("*")
            sources.extend(path for path in found if path.is_file() and path.suffix != ".pyc")
    sources.extend(folder / "packages.txt" for folder in packages)
    for path in sorted(set(sources)):
        digest.update(f"{_label(path)}\0{path.stat().st_mode & 0o755:o}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _label(path: Path) -> str:
    """Name a source by where it lies in the project; a package list (in the cache) by its folder."""
    project = _SHIPPED.parent
    return str(path.relative_to(project)) if path.is_relative_to(project) else f"{path.parent.name}/{path.name}"
