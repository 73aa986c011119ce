# SPDX-License-Identifier: Apache-2.0
"""What the load needs of its images, read from a registry's storage folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from box.load.imagery import find_smallest_layer, read_load_images


def write_manifest(storage: Path, digest: str, content: dict[str, Any]) -> None:
    text = digest.partition(":")[2]
    path = storage / "docker/registry/v2/blobs/sha256" / text[:2] / text / "data"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))


def make_image(config: str, *layers: tuple[str, int]) -> dict[str, Any]:
    return {"config": {"digest": config}, "layers": [{"digest": name, "size": size} for name, size in layers]}


DIGESTS = ("sha256:aa1", "sha256:bb2", "sha256:dd4")


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    write_manifest(tmp_path, "sha256:aa1", make_image("c1", ("shared", 900), ("own1", 10)))
    write_manifest(tmp_path, "sha256:bb2", make_image("c2", ("shared", 900), ("own2", 20)))
    write_manifest(tmp_path, "sha256:cc3", make_image("c3", ("shared", 900)))
    write_manifest(tmp_path, "sha256:dd4", {"manifests": [{"digest": "sha256:cc3"}]})
    return tmp_path


def test_only_blobs_of_one_image_prove_its_pull(storage: Path) -> None:
    blobs = {one.digest: sorted(one.blobs) for one in read_load_images(DIGESTS, storage)}
    assert blobs == {"sha256:aa1": ["c1", "own1"], "sha256:bb2": ["c2", "own2"], "sha256:dd4": ["c3"]}


def test_images_that_pods_use_are_not_pulled_by_the_load(storage: Path) -> None:
    found = [one.digest for one in read_load_images(DIGESTS, storage, ["sha256:bb2"])]
    assert found == ["sha256:aa1", "sha256:dd4"]


def test_an_index_is_known_by_the_configs_of_its_images(storage: Path) -> None:
    assert [one.configs for one in read_load_images(DIGESTS, storage)] == [("c1",), ("c2",), ("c3",)]


def test_the_smallest_layer_is_found(storage: Path) -> None:
    assert find_smallest_layer(storage, "sha256:bb2") == "own2"
