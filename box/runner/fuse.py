# SPDX-License-Identifier: Apache-2.0
"""Dying in the middle of what a hook asked of the cluster: the one fault that only the runner itself can time.

An armed fuse counts what hooks have written and kills the runner, as SIGKILL from outside would, right after the n-th
write: what came before is done, what follows is not, nobody hears of either.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from box.runner import log
from box.runner.kubeapi import Change, KubeApi, Listing, Object, Resource, Selection


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Fuse:
    """A `KubeApi` that hands everything on; `blow` is called after the write it was armed for."""

    def __init__(self, api: KubeApi, blow: Callable[[], None] = _die) -> None:
        self._api = api
        self._blow = blow
        self._left = 0
        self._name = ""
        self._lock = threading.Lock()

    def arm(self, writes: int, name: str = "") -> None:
        """Blow after so many writes from now on, of objects called `name` if one is given; 0 disarms."""
        with self._lock:
            self._left, self._name = writes, name

    def answer(self, query: Mapping[str, str]) -> tuple[int, str]:
        """Arm as a request on the debug socket says: `?writes=N&name=OBJECT`."""
        writes = query.get("writes", "")
        if not writes.isdigit():
            return 400, "writes must be a number, 0 to disarm\n"
        self.arm(int(writes), query.get("name", ""))
        log.emit(
            "warn", f"fuse: dies after {writes} writes {query.get('name', '')}" if int(writes) else "fuse: disarmed"
        )
        return 200, "ok\n"

    def resolve(self, api_version: str, kind: str) -> Resource:
        """Find a kind."""
        return self._api.resolve(api_version, kind)

    def list_objects(self, resource: Resource, selection: Selection) -> Listing:
        """List."""
        return self._api.list_objects(resource, selection)

    def watch(self, resource: Resource, selection: Selection, resource_version: str) -> Iterator[Change]:
        """Watch."""
        return self._api.watch(resource, selection, resource_version)

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Read."""
        return self._api.get(resource, namespace, name)

    def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Object:
        """Create, and count."""
        made = self._api.create(resource, namespace, body)
        self._count(made["metadata"]["name"])
        return made

    def update(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any], subresource: str = ""
    ) -> Object:
        """Replace, and count."""
        made = self._api.update(resource, namespace, name, body, subresource)
        self._count(name)
        return made

    def patch(
        self, resource: Resource, namespace: str, name: str, body: Any, media_type: str, subresource: str = ""
    ) -> Object:
        """Patch, and count."""
        made = self._api.patch(resource, namespace, name, body, media_type, subresource)
        self._count(name)
        return made

    def delete(self, resource: Resource, namespace: str, name: str, propagation: str) -> None:
        """Delete, and count."""
        self._api.delete(resource, namespace, name, propagation)
        self._count(name)

    def _count(self, name: str) -> None:
        with self._lock:
            if not self._left or (self._name and self._name != name):
                return
            self._left -= 1
            if self._left:
                return
        log.emit("warn", f"fuse: dies after the write of {name}")
        self._blow()
