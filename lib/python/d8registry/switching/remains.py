# SPDX-License-Identifier: Apache-2.0
"""What is left of a lost state in the objects that it put into effect."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from d8registry.containerd.reading import read_hosts_folder
from d8registry.errors import InvalidObject
from d8registry.kube import platform, proxy
from d8registry.kube.platform import decode_secret
from d8registry.model.endpoint import FIXED_HOST, FIXED_PATH, Credentials, Endpoint
from d8registry.model.hosts import HostsFolder
from d8registry.nodes.plan import NodePlan
from d8registry.nodes.wire import parse_plan

NODE_PLAN = "registry-node-plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What the objects tell.

    `sources` stand under the fixed address on the nodes, in this order; `real_hosts` in folders of their own, without
    the path, which no folder tells; `upstream` and `generation` are the proxy's; `entries` what deckhouse-registry
    holds; `salt` that of the node plan, empty where it cannot be read; `are_nodes_final`: it can, and has nothing under
    the fixed address.
    """

    sources: tuple[Endpoint, ...] = ()
    real_hosts: tuple[Endpoint, ...] = ()
    upstream: Endpoint | None = None
    generation: int = 1
    entries: tuple[tuple[str, Credentials], ...] = ()
    salt: str = ""
    are_nodes_final: bool = False

    @property
    def retained_hosts(self) -> tuple[Endpoint, ...]:
        """Real hosts of which the nodes have the authority alone."""
        return tuple(one for one in self.real_hosts if one.ca and not one.credentials)

    @property
    def has_fixed_entry(self) -> bool:
        """Pull secrets name the fixed address."""
        return any(key.partition("/")[0] == FIXED_HOST for key, _ in self.entries)


def read_remains(secrets: Mapping[str, Any]) -> Remains:
    """Read our Secrets (name -> filter result); what is missing or broken tells nothing."""
    plan = _read_plan(secrets)
    folders = _list_folders(plan) if plan is not None else ()
    sources: tuple[Endpoint, ...] = ()
    real_hosts: list[Endpoint] = []
    for folder in folders:
        if folder.name == FIXED_HOST:
            sources = _read_folder(folder, FIXED_PATH)
        else:
            real_hosts += _read_folder(folder, "")
    upstream, generation = _read_upstream(secrets)
    original = secrets.get(platform.NAME)
    return Remains(
        sources=sources or ((upstream,) if upstream is not None else ()),
        real_hosts=tuple(real_hosts),
        upstream=upstream,
        generation=generation,
        entries=platform.read_entries(original) if original is not None else (),
        salt=plan.salt if plan is not None else "",
        are_nodes_final=plan is not None and not sources,
    )


def _read_plan(secrets: Mapping[str, Any]) -> NodePlan | None:
    with contextlib.suppress(InvalidObject):
        return parse_plan(decode_secret(secrets[NODE_PLAN]).get("plan", "")) if NODE_PLAN in secrets else None
    return None


def _list_folders(plan: NodePlan) -> tuple[HostsFolder, ...]:
    """Take the richer of two layouts: where canaries go first, they may carry what the others do not have yet."""
    layouts = [plan.get_layout(plan.default)]
    if plan.canaries is not None:
        layouts.append(plan.get_layout(plan.canaries.layout))
    return max((layout.folders for layout in layouts), key=lambda folders: sum(len(folder.files) for folder in folders))


def _read_folder(folder: HostsFolder, base_path: str) -> tuple[Endpoint, ...]:
    try:
        return read_hosts_folder(folder, base_path=base_path)
    except InvalidObject:
        return ()


def _read_upstream(secrets: Mapping[str, Any]) -> tuple[Endpoint | None, int]:
    try:
        text = decode_secret(secrets[proxy.UPSTREAM])["upstream.json"]
        endpoint, generation = proxy.read_upstream(text)
    except (InvalidObject, KeyError, ValueError, TypeError):
        return None, 1
    return endpoint, max(generation, 1)
