# SPDX-License-Identifier: Apache-2.0
"""Build the images that the module ships, from Debian packages and the files of their folder under `images/`.

A folder has an `image.json`: the packages, symbolic links, files to copy (source in the folder -> place in the
image), the process and its user.
"""

import json
from pathlib import Path
from typing import Any

from box.images.debian import Report, fetch_packages
from box.images.oci import File, Image, Process, build_image, build_layer, build_layer_of_folder

# What a container never reads: documentation, translations, and the parts of Python that only developers use.
_DROPPED = (
    "usr/share/doc/",
    "usr/share/man/",
    "usr/share/locale/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/bug/",
    "usr/share/zoneinfo/",
    "usr/share/i18n/",
    "usr/share/perl5/",
    "usr/share/debconf/",
    "usr/share/nginx/",
    "usr/lib/x86_64-linux-gnu/gconv/",
    "usr/lib/x86_64-linux-gnu/perl",
    "usr/lib/python3.11/test/",
    "usr/lib/python3.11/idlelib/",
    "usr/lib/python3.11/lib2to3/",
    "usr/lib/python3.11/ensurepip/",
    "usr/lib/python3.11/pydoc_data/",
    "usr/lib/python3.11/turtledemo/",
    "var/",
    "lib/systemd/",
)


def read_recipe(folder: Path) -> dict[str, Any]:
    """Return the image.json of an image's folder."""
    recipe: dict[str, Any] = json.loads((folder / "image.json").read_text(encoding="utf-8"))
    return recipe


def fetch_rootfs(cache: Path, folder: Path, report: Report) -> Path:
    """Return the folder with the packages of the image (see fetch_packages)."""
    return fetch_packages(cache, read_recipe(folder)["packages"], report, dependencies=True)


def build_shipped_image(rootfs: Path, folder: Path) -> Image:
    """Return the image: a layer of packages below a layer of the module's own files."""
    recipe = read_recipe(folder)
    root = rootfs / "root"
    files = {
        "etc/passwd": File(content=b"deckhouse:x:64535:64535:deckhouse:/:/usr/sbin/nologin\n"),
        "etc/group": File(content=b"deckhouse:x:64535:\n"),
    }
    for source, target in recipe["copy"].items():
        files.update(_files_of(folder / source, target))
    if bundle := recipe.get("certificateBundle"):
        certificates = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
        files[bundle] = File(content=b"".join(path.read_bytes().rstrip() + b"\n" for path in certificates))
    packages = build_layer_of_folder(root, lambda name: not (f"{name}/").startswith(_DROPPED))
    process = Process(entrypoint=tuple(recipe["entrypoint"]), user=recipe["user"], stop_signal=recipe["stopSignal"])
    return build_image([packages, build_layer(files, recipe["links"])], process)


def _files_of(source: Path, target: str) -> dict[str, File]:
    if source.is_file():
        return {target: File(content=source.read_bytes(), mode=source.stat().st_mode & 0o755)}
    return {
        f"{target}/{path.relative_to(source)}": File(content=path.read_bytes())
        for path in sorted(source.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
