# SPDX-License-Identifier: Apache-2.0
"""The module's chart through the real helm: rendered each time, upgraded only when something is to change.

The chart is the module directory less `.helmignore`. An upgrade is skipped when the rendered manifests are the ones of
the last release and every object is there; drift of existing objects is therefore not repaired, as in the operator.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from box.runner import log
from box.runner.errors import ApiError, HelmError
from box.runner.kubeapi import KubeApi, Object, Selection
from box.runner.manifests import read_manifests

CHECKSUM_LABEL = "moduleChecksum"
_HISTORY = "10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The newest revision of the release, from the labels of its Secret."""

    secret: str
    status: str
    checksum: str
    revision: int


class Chart:
    """One release of the chart in `folder`, named as the module."""

    def __init__(self, *, api: KubeApi, module: str, folder: Path, namespace: str, tmp_dir: Path) -> None:
        self._api = api
        self._module = module
        self._folder = folder
        self._namespace = namespace
        self._tmp = tmp_dir
        self._binary = os.environ.get("HELM_BIN_PATH") or "helm"

    def install(self, values: Mapping[str, Any]) -> bool:
        """Bring the release to `values`; answers whether helm had to run. Raises HelmError, ApiError."""
        path = self._tmp / f"helm-values-{self._module}.json"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file)
        try:
            manifests = self._run(
                "template", self._module, str(self._folder), "--values", str(path),
                "--validate", "--is-upgrade", "--disable-openapi-validation",
            )  # fmt: skip
            checksum = hashlib.sha256(manifests.encode()).hexdigest()[:40]
            reason = self._reason_to_upgrade(manifests, checksum)
            if not reason:
                return False
            log.emit("info", f"helm upgrade: {reason}", module=self._module)
            self._run(
                "upgrade", self._module, str(self._folder), "--install", "--values", str(path),
                "--labels", f"{CHECKSUM_LABEL}={checksum}", "--history-max", _HISTORY,
                "--post-renderer", str(self._post_renderer()),
            )  # fmt: skip
            return True
        finally:
            path.unlink(missing_ok=True)

    def uninstall(self) -> None:
        """Delete the release; none is fine."""
        self._run("uninstall", self._module, "--ignore-not-found")

    def _reason_to_upgrade(self, manifests: str, checksum: str) -> str:
        release = self._release()
        if release is None:
            return "no release yet"
        if release.status.startswith("pending") or (release.status == "failed" and release.revision == 1):
            log.emit("warn", f"release revision is '{release.status}' and is dropped", module=self._module)
            self._api.delete(
                self._api.resolve("v1", "Secret"), self._namespace, release.secret, propagation="Background"
            )
            return f"last revision was {release.status}"
        if release.status != "deployed":
            return f"last revision is {release.status}"
        if release.checksum != checksum:
            return "manifests changed"
        absent = [name for name in map(self._absent, read_manifests(manifests)) if name]
        return f"objects are gone: {', '.join(absent)}" if absent else ""

    def _release(self) -> Release | None:
        listing = self._api.list_objects(
            self._api.resolve("v1", "Secret"),
            Selection(namespace=self._namespace, labels=f"owner=helm,name={self._module}"),
        )
        found = [
            Release(
                secret=item["metadata"]["name"],
                status=item["metadata"]["labels"]["status"],
                checksum=item["metadata"]["labels"].get(CHECKSUM_LABEL, ""),
                revision=int(item["metadata"]["labels"]["version"]),
            )
            for item in listing.items
        ]
        return max(found, key=lambda release: release.revision, default=None)

    def _absent(self, item: Object) -> str:
        """Answer the object's name when it is not in the cluster; hooks of helm come and go and do not count."""
        metadata = item["metadata"]
        if "helm.sh/hook" in (metadata.get("annotations") or {}):
            return ""
        resource = self._api.resolve(item["apiVersion"], item["kind"])
        namespace = (metadata.get("namespace") or self._namespace) if resource.namespaced else ""
        try:
            self._api.get(resource, namespace, metadata["name"])
        except ApiError as error:
            if error.status == 404:
                return f"{item['kind']}/{metadata['name']}"
            raise
        return ""

    def _post_renderer(self) -> Path:
        """Write the program that helm pipes the manifests through."""
        path = self._tmp / "helm-post-renderer"
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m box.runner.manifests\n', encoding="utf-8")
        path.chmod(0o755)
        return path

    def _run(self, *arguments: str) -> str:
        home = self._tmp / "helm"
        environment = {
            **os.environ,
            "HELM_CACHE_HOME": str(home / "cache"),
            "HELM_CONFIG_HOME": str(home / "config"),
            "HELM_DATA_HOME": str(home / "data"),
            "KUBECACHEDIR": str(home / "kube"),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }
        command = [self._binary, *arguments, "--namespace", self._namespace]
        try:
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise HelmError(f"helm '{self._binary}' cannot run: {error.strerror}; set HELM_BIN_PATH") from error
        if done.returncode:
            raise HelmError(f"run helm {arguments[0]}: {done.stderr.strip() or f'exit status {done.returncode}'}")
        return done.stdout
