# SPDX-License-Identifier: Apache-2.0
"""Rendered manifests: read as Kubernetes reads them, labelled as the operator labels them.

Run as a program it is helm's post-renderer: manifests in, labelled manifests out.
"""

from __future__ import annotations

import json
import re
import sys

import yaml

from box.runner.kubeapi import Object

EXTRA_LABELS = {"heritage": "addon-operator"}


class _ManifestLoader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: times stay strings, `5:00` is no number."""


_ManifestLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_ManifestLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*|0[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_ManifestLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def read_manifests(text: str) -> list[Object]:
    """Read rendered manifests; empty documents are left out."""
    return [item for item in yaml.load_all(text, Loader=_ManifestLoader) if item]


def label_manifests(text: str) -> str:
    """Give every object the operator's labels; answers JSON documents, which are YAML too."""
    documents = []
    for item in read_manifests(text):
        metadata = item.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **EXTRA_LABELS}
        documents.append(json.dumps(item, ensure_ascii=False))
    return "".join(f"---\n{document}\n" for document in documents)


if __name__ == "__main__":
    sys.stdout.write(label_manifests(sys.stdin.read()))
