# SPDX-License-Identifier: Apache-2.0
"""Pulling an image through a node's container runtime interface, as its kubelet does."""

import json

from box import node
from box.build import list_artifacts
from box.errors import BoxError
from box.layout import cache_folder

SOCKET = "unix:///run/containerd/containerd.sock"


def pull_image(name: str, reference: str, user: str = "", password: str = "", seconds: float = 60) -> float:
    """Pull on node `name` and return how long it took; `user` and `password` as a pull secret would bring them.

    Raises BoxError with containerd's own words. An image that is there is pulled again as far as its name goes: the
    registry is asked for the manifest, layers are not fetched twice.
    """
    cache = cache_folder()
    program = next(each.folder(cache) for each in list_artifacts(cache) if each.name == "cripull") / "cripull"
    order: dict[str, object] = {"image": reference, "seconds": seconds}
    if user:
        order["auth"] = {"username": user, "password": password}
    answer = json.loads(node.exec(name, [str(program), SOCKET], content=json.dumps(order) + "\n").stdout)
    if answer["error"]:
        raise BoxError(
            f"node {name} cannot pull {reference}: {answer['error']}\n"
            f"sources: python -m box exec {name} -- ls /etc/containerd/registry.d; "
            f"containerd's words: python -m box logs {name}/containerd"
        )
    took: float = answer["seconds"]
    return took
