# SPDX-License-Identifier: Apache-2.0
"""Plans for a scratch node: one source with a password full of traps, and what a node must make of it."""

from collections.abc import Mapping, Sequence

from d8registry.containerd import build_hosts_folder
from d8registry.model.cluster import Witness
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials, Endpoint, Source
from d8registry.model.secret import Secret
from d8registry.nodes import Canaries, Layout, NodePlan, Proof, build_layout, build_plan, build_proof

from tests.support.scratch_node import ScratchNode

PASSWORD = 'pass|word "quoted" \\1 $HOME `id`'
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
HOSTS = f"{FIXED_HOST}/hosts.toml"


def source(host: str = "registry-b.test", ca: str = CA) -> Source:
    credentials = Credentials(username="user", password=Secret(PASSWORD))
    return Source(base=FIXED_BASE, endpoint=Endpoint(host=host, path="/deckhouse/ee", ca=ca, credentials=credentials))


def layout(
    node: ScratchNode, *sources: Source, pulls: tuple[str, ...] = (), digest: str = "", address: str = "127.0.0.1:1"
) -> Layout:
    wanted = sources or (source(),)
    proof = build_proof(
        build_hosts_folder(wanted[:1], folder=FIXED_HOST),
        reference=FIXED_BASE.build_reference(digest or node.manifest),
        address=address,
        master_pulls=pulls,
    )
    return build_source_layout({FIXED_HOST: wanted}, [proof])


def build_source_layout(folders: Mapping[str, Sequence[Source]], proofs: Sequence[Proof] = ()) -> Layout:
    return build_layout([build_hosts_folder(sources, folder=host) for host, sources in folders.items()], proofs)


def plan(counter: int, default: Layout, canary: Layout | None = None, interval: int = 5) -> NodePlan:
    layouts = {"steady": default} if canary is None else {"steady": default, "candidate": canary}
    canaries = None if canary is None else Canaries(layout="candidate", nodes=("worker-0",))
    return build_plan(
        counter=counter,
        salt="a1",
        epoch="3f9c2a1b",
        interval_seconds=interval,
        default="steady",
        layouts=layouts,
        canaries=canaries,
    )


def witness(node: ScratchNode) -> Witness:
    report = node.read_witness()
    assert isinstance(report, Witness)
    return report


def called(node: ScratchNode, command: str) -> list[str]:
    return [" ".join(call) for call in node.read_calls() if call[0] == command]


def expected_files(wanted: Layout) -> dict[str, str]:
    return {f"{folder.name}/{entry.name}": entry.content for folder in wanted.folders for entry in folder.files}
