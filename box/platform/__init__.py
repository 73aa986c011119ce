# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for what the platform itself brings to a cluster; none of it is the platform's own code.

On nodes: `systemd` (the init process, only of the standard library) and bashible (`node_install` puts it there). In
the cluster: definitions and start objects (`cluster`), deckhouse-controller (`deckhouse`) and bashible-apiserver
(`bashible`), the last two in one process, `python -m box.platform`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from box.images import ImageSet
    from box.platform.registry_secret import RegistrySecret

# Imports lie in the functions: the init process of a node loads this package too, and needs none of them.


def install(image_set: "ImageSet", secret: "RegistrySecret") -> None:
    """Create what a freshly installed platform has before its nodes, with `secret` as `deckhouse-registry`.

    Raises PlatformError (a BoxError) with what does not come up, or RunnerError from the API.
    """
    from box.layout import CORE, KUBECONFIG
    from box.network import inside
    from box.platform.cluster import install_objects
    from box.runner.kubeconfig import connect

    with inside(CORE):
        install_objects(connect(KUBECONFIG), secret, image_set)


def install_workloads(image_set: "ImageSet", secret: "RegistrySecret", find_hopeless: Callable[[], str]) -> None:
    """Render the platform's workloads; nodes must be Ready and the stand-ins running.

    Returns when nodes are configured and every workload runs; raises as `install`.
    """
    from box.layout import CORE, KUBECONFIG
    from box.network import inside
    from box.platform.cluster import install_workloads as put
    from box.runner.kubeconfig import connect

    with inside(CORE):
        put(connect(KUBECONFIG), secret, image_set, find_hopeless)


def start(image_set: "ImageSet") -> int:
    """Start the process of the stand-ins, recorded like every process of the box; returns its process id."""
    from box import process
    from box.layout import CORE, KUBECONFIG, PYTHON, REPOSITORY

    command: list[str | Path] = [
        PYTHON,
        "-m",
        "box.platform",
        "--image-set",
        image_set.storage.parent / "image-set.json",
        "--kubeconfig",
        KUBECONFIG,
    ]
    return process.start("platform", command, namespace=CORE, folder=REPOSITORY).pid


def build_secret(address: str, path: str, ca: str, username: str, password: str) -> "RegistrySecret":
    """Build the content of `deckhouse-registry` for a registry with TLS; `path` has a leading slash, `ca` is PEM."""
    from box.platform.registry_secret import RegistrySecret, build_docker_config

    config = build_docker_config(address, username, password)
    return RegistrySecret(address=address, path=path, scheme="https", ca=ca, docker_config=config)


def install_node(root: Path, variables: Mapping[str, str]) -> None:
    """Put bashible and its units onto a node before its first boot; see `node_install`."""
    from box.platform.node_install import install_node as put

    put(root, variables)
