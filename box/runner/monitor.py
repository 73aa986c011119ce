# SPDX-License-Identifier: Apache-2.0
"""Following the cluster for one kubernetes binding: list, watch, keep the snapshot, hold events back until unlocked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from box.runner import log
from box.runner.config import KubernetesBinding
from box.runner.errors import ApiError
from box.runner.kubeapi import KubeApi, Object, Resource, Selection
from box.runner.snapshot import BindingSnapshot, FilterError, WatchEvent, build_filter

RECONNECT_DELAY = 1.0
_KINDS = {"ADDED": "Added", "MODIFIED": "Modified", "DELETED": "Deleted"}


def selections(binding: KubernetesBinding, namespaces: Sequence[str]) -> list[Selection]:
    """Answer what to list and watch: one selection for each namespace and name."""
    found = []
    for namespace in namespaces:
        for name in binding.names or ("",):
            fields = [binding.field_selector, f"metadata.name={name}" if name else ""]
            found.append(
                Selection(namespace=namespace, labels=binding.label_selector, fields=",".join(filter(None, fields)))
            )
    return found


class Monitor:
    """The objects of one binding. `fire` is called for each event once `unlock` was."""

    def __init__(
        self,
        api: KubeApi,
        binding: KubernetesBinding,
        fire: Callable[[KubernetesBinding, WatchEvent], None],
        hook: str,
    ) -> None:
        self.binding = binding
        self._api = api
        self._fire = fire
        self._filter = build_filter(binding)
        self._snapshots: dict[Selection, BindingSnapshot] = {}
        self._held: list[WatchEvent] | None = []
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._fields = {"hook": hook, "binding": binding.name}

    def start(self) -> None:
        """List everything and begin to watch. Raises ApiError (KindUnknown when the CRD is absent)."""
        resource = self._api.resolve(self.binding.api_version, self.binding.kind)
        if not resource.namespaced:
            self._begin(resource, selections(self.binding, ("",)))
        elif self.binding.namespace_labels:
            self._follow_namespaces(resource)
        else:
            self._begin(resource, selections(self.binding, self.binding.namespaces or ("",)))

    def stop(self) -> None:
        """Stop firing; the snapshot stays as it is."""
        self._stopped.set()

    def unlock(self) -> None:
        """Fire what was held back, and from now on at once."""
        with self._lock:
            held, self._held = self._held or [], None
            for event in held:
                self._fire(self.binding, event)

    def items(self) -> list[Any]:
        """Answer what contexts show of the current objects, sorted by namespace and name."""
        with self._lock:
            objects = [item for snapshot in self._snapshots.values() for item in snapshot.objects()]
        return [item.shown for item in sorted(objects, key=lambda item: (item.namespace, item.name))]

    def _begin(self, resource: Resource, wanted: Sequence[Selection], *, silent: bool = True) -> None:
        """List each selection (with events unless `silent`), then watch it from there."""
        for selection in wanted:
            with self._lock:
                if selection in self._snapshots:
                    continue
                self._snapshots[selection] = BindingSnapshot(self.binding, self._filter)
            try:
                revision = self._relist(resource, selection, silent=silent)
            except ApiError:
                with self._lock:
                    del self._snapshots[selection]
                raise
            threading.Thread(
                target=self._follow,
                args=(resource, selection, revision),
                name=f"watch-{self.binding.name}",
                daemon=True,
            ).start()

    def _relist(self, resource: Resource, selection: Selection, *, silent: bool) -> str:
        listing = self._api.list_objects(resource, selection)
        with self._lock:
            snapshot = self._snapshots[selection]
            known = snapshot.keys()
            present = {
                (item["metadata"].get("namespace", ""), item["metadata"]["name"]): item for item in listing.items
            }
            for key in sorted(known - present.keys()):
                self._send(snapshot.forget(key))
            for key, item in present.items():
                self._apply(snapshot, "Modified" if key in known else "Added", item, silent=silent)
        return listing.resource_version

    def _follow(self, resource: Resource, selection: Selection, revision: str) -> None:
        """Watch until stopped; a lost connection is taken up again, a lost revision is listed anew."""
        while not self._stopped.is_set():
            try:
                for change in self._api.watch(resource, selection, revision):
                    if self._stopped.is_set():
                        return
                    revision = change.object["metadata"]["resourceVersion"]
                    if change.kind in _KINDS:
                        with self._lock:
                            self._apply(self._snapshots[selection], _KINDS[change.kind], change.object)
            except ApiError as error:
                if self._stopped.is_set():
                    return
                log.emit("warn", f"watch ended, trying again: {error}", **self._fields)
                self._stopped.wait(RECONNECT_DELAY)
                if error.status == 410:
                    revision = self._list_until_done(resource, selection)

    def _list_until_done(self, resource: Resource, selection: Selection) -> str:
        while not self._stopped.is_set():
            try:
                return self._relist(resource, selection, silent=False)
            except ApiError as error:
                log.emit("warn", f"list failed, trying again: {error}", **self._fields)
                self._stopped.wait(RECONNECT_DELAY)
        return ""

    def _apply(self, snapshot: BindingSnapshot, kind: str, item: Object, *, silent: bool = False) -> None:
        try:
            event = snapshot.apply(kind, item)
        except FilterError as error:
            log.emit("error", str(error), object=item["metadata"]["name"], **self._fields)
            return
        if not silent:
            self._send(event)

    def _send(self, event: WatchEvent | None) -> None:
        if event is None or self._stopped.is_set():
            return
        if self._held is not None:
            self._held.append(event)
        else:
            self._fire(self.binding, event)

    def _follow_namespaces(self, resource: Resource) -> None:
        """Begin with the namespaces that fit, and with new ones as they come."""
        kind = self._api.resolve("v1", "Namespace")
        chosen = Selection(labels=self.binding.namespace_labels)
        listing = self._api.list_objects(kind, chosen)
        names = [item["metadata"]["name"] for item in listing.items]
        if self.binding.namespaces:
            names = [name for name in names if name in self.binding.namespaces]
        self._begin(resource, selections(self.binding, names))

        def follow() -> None:
            revision = listing.resource_version
            while not self._stopped.is_set():
                try:
                    for change in self._api.watch(kind, chosen, revision):
                        revision = change.object["metadata"]["resourceVersion"]
                        name = change.object["metadata"].get("name", "")
                        fits = not self.binding.namespaces or name in self.binding.namespaces
                        if change.kind in ("ADDED", "MODIFIED") and fits:
                            self._begin(resource, selections(self.binding, (name,)), silent=False)
                except ApiError as error:
                    log.emit("warn", f"watch of namespaces ended, trying again: {error}", **self._fields)
                    self._stopped.wait(RECONNECT_DELAY)
                    revision = "" if error.status == 410 else revision

        threading.Thread(target=follow, name=f"namespaces-{self.binding.name}", daemon=True).start()
