# SPDX-License-Identifier: Apache-2.0
"""Every text of the box where no secret may stand: logs, values, Helm releases, and all objects that are no Secrets."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from box.inventory import read_nodes
from box.judge.leaks import decode_release
from box.layout import DATA, RUN
from box.load.node import read_texts
from box.walk import walk_files
from box.watch.api import Absent, Api

_USERS_OWN = "ModuleConfig deckhouse"
"""The user writes the password there; kubectl keeps it in an annotation as well."""


def collect_texts(api: Api) -> dict[str, str]:
    """All texts by a name for people."""
    texts = read_texts({str(RUN / "logs"): RUN / "logs"})
    for one in walk_files(RUN):
        if one.suffix in (".log", ".journal"):
            texts[f"{RUN}/{one.relative_to(RUN)}"] = _read(one)
        elif one.match("helm-values-*.json"):
            texts[f"values in {one.name}"] = _read(one)
    for node in read_nodes():
        texts |= read_texts({f"{DATA.name}/{node.name}/var/log": node.disk / "var/log"})
    for name, item in _list_objects(api):
        texts[name] = json.dumps(item)
    for secret in api.fetch_items("/api/v1/secrets"):
        meta = secret["metadata"]
        where = f"Secret {meta['namespace']}/{meta['name']}"
        texts[f"labels and annotations of {where}"] = json.dumps(
            {"labels": meta.get("labels"), "annotations": meta.get("annotations")}
        )
        if secret.get("type") == "helm.sh/release.v1":
            texts[f"Helm release {meta['namespace']}/{meta['name']}"] = decode_release(secret["data"]["release"])
    return texts


def collect_keys(api: Api) -> tuple[str, ...]:
    """The texts of Secrets of the module that hold private keys; what is in them may be nowhere else."""
    found = []
    for secret in api.fetch_items("/api/v1/namespaces/d8-system/secrets"):
        if secret["metadata"]["name"].startswith("registry-"):
            found += [base64.b64decode(value).decode(errors="replace") for value in (secret.get("data") or {}).values()]
    return tuple(found)


def _list_objects(api: Api) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, kind in _list_kinds(api):
        try:
            items = api.fetch_items(path)
        except Absent:
            continue  # an aggregated or subresource-only kind
        for item in items:
            meta = item["metadata"]
            name = f"{kind} {meta['namespace']}/{meta['name']}" if "namespace" in meta else f"{kind} {meta['name']}"
            if name != _USERS_OWN:
                yield name, item


def _list_kinds(api: Api) -> Iterator[tuple[str, str]]:
    """Paths of all kinds that can be listed, but for Secrets, which are there to hold secrets."""
    roots = ["/api/v1"]
    roots += [f"/apis/{group['preferredVersion']['groupVersion']}" for group in api.fetch("/apis")["groups"]]
    for root in roots:
        for resource in api.fetch(root)["resources"]:
            if "list" in resource["verbs"] and "/" not in resource["name"] and resource["kind"] != "Secret":
                yield f"{root}/{resource['name']}", resource["kind"]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
