# SPDX-License-Identifier: Apache-2.0
"""A cluster in memory that is in Direct already, and how to lead it on."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from tests.support.memory_cluster import MemoryCluster, direct

FIXED = "registry.d8-system.svc:5001"
FIXED_KEY = f"{FIXED}/system/deckhouse"
OTHER = "other.example.com"


def make_direct(**fields: Any) -> MemoryCluster:
    """Make a cluster that was switched from Unmanaged to Direct."""
    cluster = MemoryCluster()
    cluster.settle()
    cluster.report()
    cluster.settle()
    go_on(cluster, direct(**fields))
    assert cluster.text("registry-state", "mode") == "Direct"
    return cluster


def go_on(cluster: MemoryCluster, section: Mapping[str, Any] | None = None, *, until: str = "") -> list[str]:
    """Edit the settings and let the world move until `until` is the present step; the steps on the way."""
    if section is not None:
        cluster.edit(section)
    seen: list[str] = []
    for _ in range(80):
        cluster.settle()
        if not seen or seen[-1] != cluster.step():
            seen.append(cluster.step())
        if cluster.step() == until:
            return seen
        cluster.world()
        cluster.wait(5)
    raise AssertionError(f"{until or 'rest'} was not reached, but {cluster.step()}: {cluster.condition('Ready')}")


def sources(cluster: MemoryCluster, node: str = "worker-0", folder: str = FIXED) -> list[str]:
    """Read the sources of a folder of hosts.toml as `user@url`, in the order in which containerd tries them."""
    found = tomllib.loads(cluster.folders(node)[folder])
    tables = [*found.get("host", {}).items(), (found["server"], found)]
    return [f"{table.get('auth', {}).get('username', '')}@{url}" for url, table in tables]


def text_sources(cluster: MemoryCluster, folder: str = FIXED) -> list[str]:
    """Read the same from Secret registry-bashible-config."""
    hosts = json.loads(cluster.text("registry-bashible-config", "config"))["hosts"]
    entries = hosts[folder]["mirrors"]
    return [f"{entry.get('auth', {}).get('username', '')}@{entry['scheme']}://{entry['host']}" for entry in entries]


def logins(cluster: MemoryCluster) -> list[tuple[str, str]]:
    """Read the entries of the pull secret as (key, password)."""
    auths = json.loads(cluster.text("deckhouse-registry", ".dockerconfigjson"))["auths"]
    return [(key, entry.get("password", "")) for key, entry in auths.items()]


def upstream(cluster: MemoryCluster) -> str:
    """Read which registry the proxy talks to, as `user:password@host/path`."""
    found = json.loads(cluster.text("registry-incluster-proxy-upstream", "upstream.json"))
    return f"{found['username']}:{found['password']}@{found['host']}{found['path']}"


def users(cluster: MemoryCluster) -> list[str]:
    """Read the passwords of the users that the proxy accepts."""
    found = json.loads(cluster.text("registry-incluster-proxy-users", "users.json"))
    return [user["password"] for user in found["users"]]
