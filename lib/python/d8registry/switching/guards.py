# SPDX-License-Identifier: Apache-2.0
"""Reasons why a switch may not start, or may not go on to the nodes; each with its names and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass

from d8registry.model.cluster import ContainerdConfig, Node
from d8registry.model.settings import Mode, Settings
from d8registry.model.state import Generation
from d8registry.switching.observed import Observed
from d8registry.switching.plans import TRANSITIONS

_CRI = ("Containerd", "ContainerdV2", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One reason; `is_transition` where the wanted transition itself is the trouble (ErrTransitionNotSupported)."""

    reason: str
    message: str
    is_transition: bool = False


def find_transition_guards(settings: Settings, current: Generation) -> tuple[Guard, ...]:
    """Find why these settings cannot be reached from the current generation at all."""
    if settings.mode in (Mode.PROXY, Mode.LOCAL):
        message = f"mode {settings.mode} is not in this release; choose Direct or Unmanaged"
        return (Guard(reason="ModeNotInThisRelease", message=message, is_transition=True),)
    if settings.mode is Mode.UNMANAGED and settings.endpoint not in (None, current.endpoint):
        return (
            Guard(
                reason="UnmanagedParametersDiffer",
                message=f"unmanaged.* differs from the registry in use ({current.endpoint.base}): registry parameters "
                "are changed in mode Direct; set mode Direct with them first, then Unmanaged. Nothing was changed",
                is_transition=True,
            ),
        )
    if settings.mode is not current.mode and (current.mode, settings.mode) not in TRANSITIONS:
        return (
            Guard(
                reason="TransitionNotInThisRelease",
                message=f"{current.mode} to {settings.mode}: this release does not have that transition; set the "
                f"registry section back to mode {current.mode} with {current.endpoint.base}. Nothing was changed",
                is_transition=True,
            ),
        )
    return ()


def find_cluster_guards(observed: Observed) -> tuple[Guard, ...]:
    """Find why no switch may touch this cluster's nodes."""
    return tuple(_find_cluster_guards(observed))


def _find_cluster_guards(observed: Observed) -> Iterable[Guard]:
    if not observed.bootstrapped:
        yield Guard(
            reason="ClusterNotBootstrapped",
            message="the cluster is not bootstrapped yet (global.clusterIsBootstrapped, set by the platform)",
        )
    if observed.foreign_managers:
        names = ", ".join(observed.foreign_managers)
        yield Guard(reason="ForeignManager", message=f"another registry manager is at work: {names}; remove it first")
    agents = [
        f"{node.name} ({node.witness.foreign_agent})"
        for node in observed.nodes
        if node.witness is not None and node.witness.foreign_agent
    ]
    if agents:
        yield Guard(
            reason="ForeignManager",
            message=f"another registry agent manages containerd's folders on {name_some(agents)}: a newer platform "
            "has a registry module of its own; disable one of the two",
        )
    unmanaged = [node.name for node in observed.nodes if not node.group]
    if unmanaged:
        yield Guard(
            reason="NodesNotManaged",
            message=f"{name_some(unmanaged)} belong to no NodeGroup: every node must be managed by the platform",
        )
    wrong = [f"{name} ({cri})" for name, cri in observed.groups if cri not in _CRI]
    if wrong:
        yield Guard(
            reason="CRINotContainerd",
            message=f"NodeGroup {name_some(wrong)}: spec.cri.type must be Containerd or ContainerdV2",
        )
    custom = [_name_with_detail(node) for node in observed.nodes if _has_custom_config(node)]
    if custom:
        yield Guard(
            reason="CustomRegistrySettings",
            message=f"{name_some(custom)} have registry settings of their own in containerd's configuration: remove "
            "them (NodeGroupConfiguration), or the new registry would not be used there",
        )
    unknown = [node.name for node in observed.nodes if node.containerd_config is ContainerdConfig.UNKNOWN]
    if unknown:
        yield Guard(
            reason="NodesNotYetKnown",
            message=f"{name_some(unknown)} have not reported their containerd configuration yet "
            "(label node.deckhouse.io/containerd-config-registry, set by bashible)",
        )


def name_some(names: list[str], limit: int = 5) -> str:
    """Name the first few, and how many more there are."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")


def _name_with_detail(node: Node) -> str:
    detail = node.witness.custom_detail if node.witness is not None else ""
    return f"{node.name} ({detail})" if detail else node.name


def _has_custom_config(node: Node) -> bool:
    reported = node.witness is not None and node.witness.custom_config
    return node.containerd_config is ContainerdConfig.CUSTOM or reported
