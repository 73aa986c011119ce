# SPDX-License-Identifier: Apache-2.0
"""The node plan as values: which folders a node has live, and what it proves before it takes them."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from d8registry.errors import InvalidObject
from d8registry.model.hosts import HostsFolder

DEFAULT_PROOF_DEADLINE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One source that a node must have reached, with its own credentials, before a layout goes live.

    `folder` is staged beside the live ones and holds that source alone. `reference` is `host/repository@sha256:…`;
    `address` is the `host:port` whose dial time is measured; `deadline_seconds` bounds the manifest and layer fetch
    (each of `master_pulls`, which masters also pull and pin, may take ten times that).
    """

    folder: HostsFolder
    reference: str
    address: str
    deadline_seconds: int = DEFAULT_PROOF_DEADLINE
    master_pulls: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """sha256 (hex) over everything in it: a node that passed it once does not repeat it."""
        return _hash(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Everything of registry.d that is to be ours on a node, and what is proven before."""

    folders: tuple[HostsFolder, ...]
    proofs: tuple[Proof, ...] = ()

    @property
    def digest(self) -> str:
        """sha256 (hex) over folders and proofs."""
        return _hash(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """Names of nodes that take another layout first."""

    layout: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """Secret registry-node-plan.

    `counter` grows with every change; `epoch` is random text of hex digits. `salt` is random and stays inside the
    Secret: tokens stand in annotations that many may read, and must not let anyone try out passwords. `uninstall`
    makes a node say so once and then remove everything of ours, the program included.
    """

    counter: int
    epoch: str
    salt: str
    interval_seconds: int
    default: str
    layouts: tuple[tuple[str, Layout], ...]
    canaries: Canaries | None = None
    uninstall: bool = False

    def get_layout(self, name: str) -> Layout:
        """Return the layout called `name`; raises InvalidObject where there is none."""
        for key, layout in self.layouts:
            if key == name:
                return layout
        raise InvalidObject(f"node plan {self.counter}: no layout is called {name}")

    def build_token(self, name: str) -> str:
        """Return `<counter>.<epoch>.<hash of the layout>`, what a node with that layout reports."""
        return f"{self.counter}.{self.epoch}.{_hash([self.salt, self.get_layout(name).digest])[:12]}"


def build_proof(
    folder: HostsFolder,
    *,
    reference: str,
    address: str,
    deadline_seconds: int = DEFAULT_PROOF_DEADLINE,
    master_pulls: Collection[str] = (),
) -> Proof:
    """Build the proof of the one source in `folder`; `reference` and `master_pulls` carry the base of that folder."""
    for name in (reference, *master_pulls):
        if not name.startswith(f"{folder.name}/"):
            raise InvalidObject(f"proof of {folder.name}: reference {name} belongs to another host")
    return Proof(
        folder=folder,
        reference=reference,
        address=address,
        deadline_seconds=deadline_seconds,
        master_pulls=tuple(sorted(set(master_pulls))),
    )


def build_layout(folders: Collection[HostsFolder], proofs: Sequence[Proof] = ()) -> Layout:
    """Build a layout; the order of `folders` does not matter, that of `proofs` is the order on the node."""
    names = [folder.name for folder in folders]
    if len(set(names)) != len(names):
        raise InvalidObject(f"node layout: a folder is listed twice among {', '.join(sorted(names))}")
    return Layout(folders=tuple(sorted(folders, key=lambda folder: folder.name)), proofs=tuple(proofs))


def build_plan(
    *,
    counter: int,
    epoch: str,
    salt: str,
    interval_seconds: int,
    default: str,
    layouts: Mapping[str, Layout],
    canaries: Canaries | None = None,
) -> NodePlan:
    """Build a plan; raises InvalidObject if `default` or the canaries' layout is not among `layouts`."""
    if canaries is not None:
        canaries = Canaries(layout=canaries.layout, nodes=tuple(sorted(set(canaries.nodes))))
    plan = NodePlan(
        counter=counter,
        epoch=epoch,
        salt=salt,
        interval_seconds=interval_seconds,
        default=default,
        layouts=tuple(sorted(layouts.items())),
        canaries=canaries,
    )
    plan.get_layout(default)
    if canaries is not None:
        plan.get_layout(canaries.layout)
    return plan


def build_uninstall_plan(*, counter: int, epoch: str, salt: str, interval_seconds: int = 20) -> NodePlan:
    """Build the plan after which nothing of ours is left on a node; its one layout has no folder."""
    return NodePlan(
        counter=counter,
        epoch=epoch,
        salt=salt,
        interval_seconds=interval_seconds,
        default="none",
        layouts=(("none", build_layout(())),),
        uninstall=True,
    )


def expected_token(plan: NodePlan, node_name: str) -> str:
    """Return the token that `node_name` reports once it has done what `plan` asks of it."""
    if plan.canaries is not None and node_name in plan.canaries.nodes:
        return plan.build_token(plan.canaries.layout)
    return plan.build_token(plan.default)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
