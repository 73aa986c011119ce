# SPDX-License-Identifier: Apache-2.0
"""A folder in registry.d of a user's own: how users have nodes trust a registry that is no platform's."""

from box.layout import Node
from box.registries.catalogue import Registry
from box.registries.files import RegistryFiles

_HOSTS = """\
server = "{scheme}://{authority}"
capabilities = ["pull", "resolve"]
{ca}"""


def trust_as_user(node: Node, registry: Registry, files: RegistryFiles) -> None:
    """Write the user's folder for a registry on a node; no credentials are in it."""
    folder = node.disk / "etc/containerd/registry.d" / registry.authority
    folder.mkdir(parents=True, exist_ok=True)
    ca = ""
    if registry.scheme == "https":
        (folder / "users-ca.crt").write_bytes(files.ca.read_bytes())
        ca = 'ca = ["users-ca.crt"]\n'
    text = _HOSTS.format(scheme=registry.scheme, authority=registry.authority, ca=ca)
    (folder / "hosts.toml").write_text(text, encoding="utf-8")
