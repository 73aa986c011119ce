# SPDX-License-Identifier: Apache-2.0
"""The stand-in image set: bytes, storage and names, without the network."""

import io
import json
import tarfile
from pathlib import Path

from box.images import platform
from box.images.imageset import ImageSet, PlatformImage, read_image_set, write_image_set
from box.images.oci import File, build_archive, build_blob, build_image, build_index, build_layer, sha256
from box.images.storage import RepositoryStorage


def test_the_platform_has_thirty_images_with_the_two_that_the_module_ships() -> None:
    assert sum(len(names) for names in platform.MODULES.values()) + 2 == 30


def test_every_image_has_a_layer_that_no_other_has() -> None:
    layers = [
        platform.build_platform_layers(module, name).unique.blob.digest
        for module, names in platform.MODULES.items()
        for name in names
    ]

    assert len(set(layers)) == len(layers)


def test_images_of_a_module_share_a_layer() -> None:
    grafana = platform.build_platform_layers("prometheus", "grafana")
    trickster = platform.build_platform_layers("prometheus", "trickster")

    assert grafana.module.blob.digest == trickster.module.blob.digest


def test_a_unique_layer_does_not_compress() -> None:
    layer = platform.build_platform_layers("prometheus", "grafana").unique

    assert 60_000 < len(layer.blob.content) < 210_000


def test_there_are_enough_images_for_the_load_generator() -> None:
    assert sum(len(platform.MODULES[module]) for module in platform.LOAD_MODULES) >= 9


def test_equal_files_give_equal_layers_in_any_order() -> None:
    one = build_layer({"b/x": File(content=b"x"), "a": File(content=b"a", mode=0o755)}, {"c": "a"})
    other = build_layer({"a": File(content=b"a", mode=0o755), "b/x": File(content=b"x")}, {"c": "a"})

    assert one == other


def test_an_index_names_each_architecture() -> None:
    layer = build_layer({"a": File(content=b"a")})
    images = [build_image([layer], platform.IDLE, architecture) for architecture in ("amd64", "arm64")]

    index = json.loads(build_index(images).content)

    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    assert [entry["digest"] for entry in index["manifests"]] == [image.manifest.digest for image in images]


def test_an_archive_holds_every_blob_under_its_digest_and_names_the_image() -> None:
    image = build_image([build_layer({"a": File(content=b"a")})], platform.IDLE)

    with tarfile.open(fileobj=io.BytesIO(build_archive(image, "deckhouse.local/images:pause"))) as archive:
        members = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        contents = {name: file.read() for name, file in members.items() if file is not None}

    index = json.loads(contents["index.json"])
    assert index["manifests"][0]["annotations"] == {"io.containerd.image.name": "deckhouse.local/images:pause"}
    for blob in (image.manifest, *image.blobs()):
        assert sha256(contents[f"blobs/sha256/{blob.digest[7:]}"]) == blob.digest


def test_storage_links_blobs_revisions_and_tags(tmp_path: Path) -> None:
    storage = RepositoryStorage(root=tmp_path, repository="deckhouse/ee")
    blob, manifest = build_blob("application/x", b"layer"), build_blob("application/y", b"manifest")

    storage.add_blob(blob)
    storage.add_manifest(manifest, "v1")

    registry = tmp_path / "docker/registry/v2"
    repository = registry / "repositories/deckhouse/ee"
    layer, revision = blob.digest[7:], manifest.digest[7:]
    assert (registry / f"blobs/sha256/{layer[:2]}/{layer}/data").read_bytes() == b"layer"
    assert (repository / f"_layers/sha256/{layer}/link").read_text() == blob.digest
    assert (repository / f"_manifests/revisions/sha256/{revision}/link").read_text() == manifest.digest
    assert (repository / "_manifests/tags/v1/current/link").read_text() == manifest.digest
    assert (repository / f"_manifests/tags/v1/index/sha256/{revision}/link").read_text() == manifest.digest


def test_an_image_set_survives_its_file_and_a_move_of_the_cache(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    image = PlatformImage(module="m", name="i", digest="sha256:1", index=False, unique_layer="sha256:2", size=3)
    written = ImageSet(
        key="k",
        repository="deckhouse/ee",
        tag="v1",
        deckhouse_digest="sha256:4",
        images=(image,),
        load_images=("sha256:1",),
        storage=old / "storage",
        pause_tar=old / "pause.tar",
        pause_reference="p",
    )

    write_image_set(written, old / "image-set.json")
    old.rename(new)
    read = read_image_set(new / "image-set.json")

    assert read.digests() == {"m": {"i": "sha256:1"}}
    assert read.storage == new / "storage"
    assert read.pause_tar == new / "pause.tar"
