# SPDX-License-Identifier: Apache-2.0
"""The ConfigMap `addon-operator`: keys `<module>`, `<module>Enabled`, `global`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from box.runner import log
from box.runner.errors import ApiError, RunnerError, ValuesError
from box.runner.kubeapi import MERGE_PATCH, KubeApi, Selection
from box.runner.values import GLOBAL, UserConfig

_RECONNECT = 1.0


class SettingsMap:
    """The ConfigMap in the cluster."""

    def __init__(self, api: KubeApi, namespace: str, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._resource = api.resolve("v1", "ConfigMap")

    def read(self) -> tuple[dict[str, str], str]:
        """Answer the data and the revision to follow from. Raises RunnerError when it is not there."""
        try:
            found = self._api.get(self._resource, self._namespace, self._name)
        except ApiError as error:
            raise RunnerError(
                f"ConfigMap {self._namespace}/{self._name}: {error}; the operator does not start without it: "
                f"kubectl -n {self._namespace} create configmap {self._name}"
            ) from error
        return found.get("data") or {}, found["metadata"]["resourceVersion"]

    def write(self, key: str, settings: Mapping[str, object]) -> None:
        """Store one section."""
        body = {"data": {key: yaml.safe_dump(dict(settings))}}
        self._api.patch(self._resource, self._namespace, self._name, body, MERGE_PATCH)

    def follow(self, revision: str, see: Callable[[dict[str, str]], None], stop: threading.Event) -> None:
        """Call `see` with the data of every change, in a thread, until `stop`."""
        thread = threading.Thread(target=self._follow, args=(revision, see, stop), name="settings", daemon=True)
        thread.start()

    def _follow(self, revision: str, see: Callable[[dict[str, str]], None], stop: threading.Event) -> None:
        chosen = Selection(namespace=self._namespace, fields=f"metadata.name={self._name}")
        while not stop.is_set():
            try:
                for change in self._api.watch(self._resource, chosen, revision):
                    revision = change.object["metadata"]["resourceVersion"]
                    if change.kind != "BOOKMARK":
                        see({} if change.kind == "DELETED" else change.object.get("data") or {})
            except ApiError as error:
                log.emit("warn", f"watch of the ConfigMap ended, trying again: {error}")
                stop.wait(_RECONNECT)
                if error.status == 410:
                    revision = ""


def read_config_map(data: Mapping[str, str], module: str, before: UserConfig) -> UserConfig:
    """Read the ConfigMap's data. A `global` key that was removed keeps its old values, as in the operator.

    Raises ValuesError when a key is not YAML of an object.
    """
    enabled = data.get(f"{module}Enabled", "").strip().strip("\"'").lower()
    settings = _section(data, module)
    if settings is None and enabled:
        settings = {}
    globals_ = _section(data, GLOBAL)
    return UserConfig(
        settings=settings,
        globals=before.globals if globals_ is None else globals_,
        enabled={"true": True, "false": False}.get(enabled),
    )


def _section(data: Mapping[str, str], key: str) -> dict[str, Any] | None:
    if key not in data:
        return None
    try:
        section = yaml.safe_load(data[key])
    except yaml.YAMLError as error:
        raise ValuesError(f"ConfigMap addon-operator: key '{key}' is not YAML") from error
    if section is not None and not isinstance(section, dict):
        raise ValuesError(f"ConfigMap addon-operator: key '{key}' is not an object")
    return section or {}
