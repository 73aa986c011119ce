# SPDX-License-Identifier: Apache-2.0
"""Find references to the old registry in objects as the API gives them.

What counts is what may pull again: unfinished pods (static ones show as mirror pods) and the templates of what makes
pods. ReplicaSets and ControllerRevisions do not: their owners' templates do. A pod being deleted starts no container
any more.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from d8registry.evidence.question import EvidenceQuestion

PULL_SECRET = "deckhouse-registry"  # noqa: S105 - the name of an object
ORIGINAL_NAMESPACE = "d8-system"
OWNERS = 3
DOCKER_CONFIG = ".dockerconfigjson"

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One object; `is_platform` tells whose it is, the others what it refers to.

    `in_use`: digests, or tags, below the base whose images are asked for.
    """

    name: str
    is_platform: bool
    uses_base: bool
    uses_host: bool
    in_use: tuple[str, ...] = ()


def read_workload(kind: str, item: Object, question: EvidenceQuestion) -> Finding | None:
    """Look at one object of a workload kind; None when it does not name the old registry, or is finished."""
    if not _is_unfinished(kind, item):
        return None
    images = [container.get("image") or "" for container in _find_containers(kind, item)]
    is_ours = _is_own(item)
    uses_base = not is_ours and bool(question.old_base) and any(is_below(image, question.old_base) for image in images)
    uses_host = (
        not is_ours and bool(question.real_host) and any(find_host(image) == question.real_host for image in images)
    )
    in_use = tuple(sorted({reference for image in images if (reference := find_reference(image, question))}))
    if not uses_base and not uses_host and not in_use:
        return None
    namespace = item["metadata"]["namespace"]
    return Finding(
        name=f"{kind} {namespace}/{item['metadata']['name']}",
        is_platform=is_platform(namespace),
        uses_base=uses_base,
        uses_host=uses_host,
        in_use=in_use,
    )


def find_stale_copies(secrets: Iterable[Object], question: EvidenceQuestion) -> tuple[list[str], list[str]]:
    """List the pull secrets that differ from the original in d8-system: (the platform's, users'), sorted.

    Without an original nothing can be compared, and every copy is stale.
    """
    digests = {item["metadata"]["namespace"]: hash_docker_config(item) for item in secrets}
    original = digests.pop(ORIGINAL_NAMESPACE, "")
    stale = sorted(namespace for namespace, digest in digests.items() if digest != original or not original)
    name = f"Secret {{}}/{PULL_SECRET}"
    platform = [
        name.format(namespace)
        for namespace in stale
        if is_platform(namespace) and (not question.namespaces or namespace in question.namespaces)
    ]
    return platform, [name.format(namespace) for namespace in stale if not is_platform(namespace)]


def limit_owners(pairs: Iterable[tuple[str, Finding]]) -> tuple[tuple[str, str], ...]:
    """Name a few objects for each digest in use, of the platform's and of users' each: thousands of pods share one."""
    names: dict[tuple[str, bool], list[str]] = {}
    for reference, finding in pairs:
        names.setdefault((reference, finding.is_platform), []).append(finding.name)
    return tuple(
        sorted((reference, name) for (reference, _), found in names.items() for name in sorted(found)[:OWNERS])
    )


def is_platform(namespace: str) -> bool:
    """Tell whether a namespace is the platform's own."""
    return namespace.startswith("d8-") or namespace == "kube-system"


def is_below(image: str, base: str) -> bool:
    """Tell whether an image reference carries a base, and not just one that begins alike."""
    return image.startswith(base) and image[len(base) : len(base) + 1] in ("/", ":", "@", "")


def find_reference(image: str, question: EvidenceQuestion) -> str:
    """Take digest or tag of an image right below the asked base; empty for any other."""
    if not question.in_use_base or not is_below(image, question.in_use_base):
        return ""
    rest = image[len(question.in_use_base) :]
    if rest.startswith("/"):
        return ""
    return rest.partition("@")[2] or rest.lstrip(":") or "latest"


def find_host(image: str) -> str:
    """Name the registry of a reference, `docker.io` where none is written."""
    first, slash, _ = image.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return first if is_host else "docker.io"


def hash_docker_config(secret: Object) -> str:
    """Hash what a pull secret says, whatever its spelling in JSON; empty when there is nothing."""
    encoded = (secret.get("data") or {}).get(DOCKER_CONFIG, "")
    if not encoded:
        return ""
    try:
        content = json.dumps(json.loads(base64.b64decode(encoded)), sort_keys=True)
    except ValueError:
        content = encoded
    return hashlib.sha256(content.encode()).hexdigest()


def _is_own(item: Object) -> bool:
    """Tell whether an object is the module's proxy: it names the fixed address always, and goes last of all.

    Label `heritage` says nothing: the operator writes its own over that of what it renders.
    """
    metadata = item["metadata"]
    return ((metadata.get("labels") or {}).get("module"), metadata["namespace"]) == ("registry", ORIGINAL_NAMESPACE)


def _is_unfinished(kind: str, item: Object) -> bool:
    metadata, status = item["metadata"], item.get("status") or {}
    if kind == "Pod" and any(owner.get("kind") == "Job" for owner in metadata.get("ownerReferences") or ()):
        return False  # its Job says the same, and is what people delete
    if kind == "Pod":
        return "deletionTimestamp" not in metadata and status.get("phase") not in ("Succeeded", "Failed")
    if kind == "Job":
        conditions = status.get("conditions") or ()
        return not any(
            condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True"
            for condition in conditions
        )
    return True


def _find_containers(kind: str, item: Object) -> list[Mapping[str, Any]]:
    spec = item.get("spec") or {}
    if kind == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if kind != "Pod":
        spec = spec["template"]["spec"]
    return [
        container
        for key in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(key) or ()
    ]
