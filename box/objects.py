# SPDX-License-Identifier: Apache-2.0
"""Objects of the API deleted or edited behind the backs of those that keep them, as people and other programs do.

What is not there is refused, with the nearest names: a fault that hits nothing would prove nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from box import api
from box.errors import BoxError, suggest

NAMESPACE = "d8-system"
"""Where a namespaced object is looked for unless told otherwise: the module's own are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind of objects as the API server knows it; `path` is its API group's, without a slash at the end."""

    kind: str
    plural: str
    path: str
    namespaced: bool
    words: frozenset[str]

    def locate(self, namespace: str, name: str = "") -> str:
        """Return the path of an object, or of the list without a name."""
        inside = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{self.path}{inside}/{self.plural}" + (f"/{name}" if name else "")

    def describe(self, namespace: str, name: str) -> str:
        """Name an object in words."""
        return f"{self.kind} {namespace}/{name}" if self.namespaced else f"{self.kind} {name}"


def delete(kind: str, name: str, namespace: str = NAMESPACE) -> str:
    """Delete an object and return what it was; raises BoxError when it is not there."""
    resource = find_resource(fetch_resources(), kind)
    _require(resource, namespace, name)
    api.request("DELETE", resource.locate(namespace, name))
    return resource.describe(namespace, name)


def edit(kind: str, name: str, patch: Mapping[str, Any], namespace: str = NAMESPACE) -> str:
    """Merge a patch (RFC 7386: null takes a key away) into an object and return what it is.

    Raises BoxError when the object is not there, when the API refuses the patch, and when nothing changed.
    """
    resource = find_resource(fetch_resources(), kind)
    before = _require(resource, namespace, name)
    path = resource.locate(namespace, name)
    after = api.request("PATCH", path, dict(patch), kind="application/merge-patch+json")
    if after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]:
        raise BoxError(f"{resource.describe(namespace, name)} is so already; nothing was changed")
    return resource.describe(namespace, name)


def fetch_resources() -> tuple[Resource, ...]:
    """Ask the API server for every kind that it has, each in its group's preferred version."""
    groups = api.request("GET", "/apis")["groups"]
    paths = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
    return tuple(each for path in paths for each in read_resources(path, api.request("GET", path)["resources"]))


def read_resources(path: str, listed: Iterable[Mapping[str, Any]]) -> tuple[Resource, ...]:
    """Read a list of kinds of one API group; what belongs to an object (`pods/log`) is no kind of its own."""
    return tuple(
        Resource(
            kind=each["kind"],
            plural=each["name"],
            path=path,
            namespaced=each["namespaced"],
            words=frozenset(
                word.lower()
                for word in (each["kind"], each["name"], each.get("singularName"), *each.get("shortNames", ()))
                if word
            ),
        )
        for each in listed
        if "/" not in each["name"]
    )


def find_resource(resources: Iterable[Resource], word: str) -> Resource:
    """Find a kind by its name, its plural or a short form; raises BoxError with the nearest ones."""
    known = list(resources)
    for each in known:
        if word.lower() in each.words:
            return each
    names = sorted({each.plural for each in known})
    raise BoxError(f"the cluster has no kind {word}{suggest(word.lower(), names)}")


def _require(resource: Resource, namespace: str, name: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = api.request("GET", resource.locate(namespace, name))
    except BoxError as error:
        if ": 404 " not in str(error):
            raise
        items = api.request("GET", resource.locate(namespace))["items"]
        there = suggest(name, [item["metadata"]["name"] for item in items])
        raise BoxError(f"there is no {resource.describe(namespace, name)}{there}") from error
    return found
