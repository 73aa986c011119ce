# SPDX-License-Identifier: Apache-2.0
"""Put together what one run sees from the results of the reconcile hook's bindings."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d8registry.checker.images import DECKHOUSE_CONTAINER, PlatformModule, required_images
from d8registry.errors import InvalidObject, InvalidSettings
from d8registry.kube import bashible, cluster, platform, settings
from d8registry.kube.operations import REVISION
from d8registry.model.cluster import FailureClass, Node, SecretCopy, Witness, WitnessResult
from d8registry.model.endpoint import FIXED_BASE, Base, Endpoint, normalise_ca
from d8registry.model.secret import Secret
from d8registry.model.settings import CheckMode, Settings
from d8registry.model.state import State
from d8registry.nodes.wire import parse_plan
from d8registry.nodes.witness import Unreadable, parse_witness
from d8registry.pki.bundle import is_certificate_bundle
from d8registry.switching.material import read_rotate_after
from d8registry.switching.observed import Observed

if TYPE_CHECKING:
    from d8registry.checker.result import CheckResult
    from d8registry.evidence.answer import Evidence

JSON = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The snapshots of one run, `secrets` by name; `values` and `global_values` as the operator gives them."""

    snapshots: Mapping[str, Sequence[JSON]]
    secrets: Mapping[str, JSON]
    values: Mapping[str, JSON]
    global_values: Mapping[str, JSON]


def observe(inputs: Inputs, state: State | None = None) -> Observed:
    """Read everything; raises InvalidObject where the platform breaks its own contract.

    `state` spares the parsing of CA certificates that it already holds.
    """
    is_switching = state is not None and state.switch is not None  # at rest nothing was asked
    secrets, snapshots = inputs.secrets, inputs.snapshots
    seen = secrets.get(platform.NAME)
    endpoint = _read_platform(seen, state)
    wanted = _read_settings(snapshots.get("settings", ()), _list_known_authorities(state))
    found = {name: image for entry in snapshots.get("deckhouse", ()) for name, image in entry.items()}
    images: dict[str, str] = dict(sorted(found.items(), key=lambda item: item[0] != DECKHOUSE_CONTAINER))
    digests = (inputs.global_values.get("modulesImages") or {}).get("digests") or {}
    check_mode = wanted.check_mode if isinstance(wanted, Settings) else CheckMode.DEFAULT
    if state is not None and state.switch is not None:
        check_mode = state.switch.candidate.check_mode
    nodes = read_nodes(snapshots.get("nodes", ()))
    foreign_managers = _find_foreign_managers(secrets)
    bases = [FIXED_BASE, *([endpoint.base] if endpoint else [])]
    return Observed(
        settings=wanted,
        module_settings=settings.parse_module_settings(inputs.values),
        requests=_read_requests(snapshots.get("requests", ())),
        bootstrapped=inputs.global_values.get("clusterIsBootstrapped") is True,
        foreign_managers=foreign_managers,
        manages_hosts=bashible.NAME in secrets and not foreign_managers,
        nodes=nodes,
        groups=cluster.read_groups(snapshots.get("groups", ())),
        platform=endpoint,
        is_proxy_rendered=bool(snapshots.get("proxy")),
        has_autoscaler="vertical-pod-autoscaler" in (inputs.global_values.get("enabledModules") or ()),
        copies=_read_copies(snapshots.get("copies", ())),
        deckhouse_pods=cluster.read_deckhouse_pods(snapshots.get("deckhouse_pods", ())),
        proxy_pods=cluster.read_proxy_pods(snapshots.get("proxy_pods", ())),
        required_images=required_images(digests, _read_modules(snapshots.get("modules", ())), images, check_mode),
        proxy_images=tuple(sorted((digests.get("registry") or {}).values())),
        deckhouse_images=tuple(dict.fromkeys(_strip_base(image, bases) for image in images.values())),
        cluster_domain=(inputs.global_values.get("discovery") or {}).get("clusterDomain") or "cluster.local",
        checks=_read_checks(secrets) if is_switching else {},
        evidence=_read_evidence(secrets) if is_switching else None,
        rotation=read_request(snapshots.get("requests", ()), "rotate-ca"),
        rotate_after=read_rotate_after(secrets.get("registry-pki")),
    )


def _read_platform(seen: JSON, state: State | None) -> Endpoint | None:
    """Read Secret deckhouse-registry; one that somebody broke while its content is ours is about to be put back."""
    if seen is None:
        return None
    try:
        return platform.read_endpoint(seen)
    except InvalidObject:
        if state is None or state.address is None:
            raise
        return None


def _read_checks(secrets: Mapping[str, JSON]) -> "Mapping[str, CheckResult]":
    from d8registry.checker.result import parse_results

    return parse_results(_get_text(secrets, "registry-checks", "checks"))


def _read_evidence(secrets: Mapping[str, JSON]) -> "Evidence | None":
    from d8registry.evidence.answer import parse_evidence

    return parse_evidence(_get_text(secrets, "registry-evidence", "evidence"))


def read_nodes(entries: Sequence[JSON]) -> tuple[Node, ...]:
    """Read the Nodes of a run with their reports."""
    return cluster.read_nodes(entries, _read_witness)


def _list_known_authorities(state: State | None) -> frozenset[str]:
    if state is None:
        return frozenset()
    generations = (state.current, *([state.switch.candidate] if state.switch else []))
    return frozenset(generation.endpoint.ca for generation in generations if generation.endpoint.ca)


def _read_settings(entries: Sequence[JSON], known: frozenset[str]) -> Settings | InvalidSettings:
    section = entries[0].get("registry") if entries else None
    try:
        return settings.parse_settings(section, lambda text: normalise_ca(text) in known or is_certificate_bundle(text))
    except InvalidSettings as error:
        return error


def _read_requests(entries: Sequence[JSON]) -> dict[str, str]:
    found = {name: read_request(entries, name) for name in ("retry", "pause", "abort", "finalise")}
    return {name: value for name, value in found.items() if value is not None}


def read_request(entries: Sequence[JSON], name: str) -> str | None:
    """Read one request annotation of ModuleConfig `registry`, None where it is not set."""
    return (entries[0] if entries else {}).get(f"registry.deckhouse.io/{name}")


def _read_modules(entries: Sequence[JSON]) -> tuple[PlatformModule, ...]:
    return tuple(
        PlatformModule(
            name=entry["name"],
            source=entry.get("source") or "",
            needs_bootstrapped=str(entry.get("bootstrapped")).lower() == "true",
        )
        for entry in entries
    )


def _read_witness(text: str) -> Witness | None:
    witness = parse_witness(text)
    if isinstance(witness, Unreadable):
        return Witness(token="", result=WitnessResult.FAILING, failure=FailureClass.OTHER, message=witness.reason)
    return witness


def _read_copies(entries: Sequence[JSON]) -> tuple[SecretCopy, ...]:
    """Read the platform's copies; what users keep under that name is theirs and may hold anything."""
    copies = (
        SecretCopy(namespace=entry["namespace"], docker_config=Secret(_decode_copy(entry)))
        for entry in entries
        if entry["namespace"].startswith("d8-") and entry["namespace"] != "d8-system"
    )
    return tuple(sorted(copies, key=lambda copy: copy.namespace))


def _decode_copy(entry: JSON) -> str:
    try:
        return platform.decode_secret({"data": {"config": entry.get("config") or ""}})["config"]
    except InvalidObject:
        return ""  # not what the original holds, so it is one that has not followed


def find_highest_counter(secrets: Mapping[str, JSON], nodes: Sequence[Node]) -> int:
    """Find the highest token counter that the node plan or any node's report names, 0 without any."""
    tokens = [node.witness.token for node in nodes if node.witness is not None]
    counters = [int(token.partition(".")[0]) for token in tokens if token.partition(".")[0].isdigit()]
    text = _get_text(secrets, "registry-node-plan", "plan")
    with contextlib.suppress(InvalidObject):  # an unreadable plan is about to be written anew
        counters += [parse_plan(text).counter] if text else []
    return max(counters, default=0)


def _find_foreign_managers(secrets: Mapping[str, JSON]) -> tuple[str, ...]:
    """Find a writer of our own objects that is not this module: each of ours carries the revision it came from."""
    seen = secrets.get(bashible.NAME)
    if seen is None or REVISION in (seen["metadata"].get("annotations") or {}):
        return ()
    return (f"Secret d8-system/{bashible.NAME} was not written by this module",)


def _strip_base(image: str, bases: Sequence[Base]) -> str:
    """What follows a known base in an image reference (`:tag`, `@sha256:…`, or `/sub:tag`); else from its tag on."""
    for base in bases:
        if image.startswith(str(base)) and image[len(str(base)) :][:1] in (":", "@", "/"):
            return image[len(str(base)) :]
    name = image.rpartition("/")[2]
    return f"@{name.partition('@')[2]}" if "@" in name else f":{name.partition(':')[2] or 'latest'}"


def _get_text(secrets: Mapping[str, JSON], name: str, key: str) -> str:
    seen = secrets.get(name)
    return platform.decode_secret(seen).get(key, "") if seen else ""
