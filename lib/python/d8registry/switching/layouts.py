# SPDX-License-Identifier: Apache-2.0
"""Sources -> layouts and proofs of the node plan: where containerd's text and the plan meet."""

from collections.abc import Collection, Mapping, Sequence

from d8registry.containerd import DEFAULT_DIAL_TIMEOUT, build_hosts_folder
from d8registry.model.endpoint import Scheme, Source
from d8registry.nodes import Layout, Proof, build_layout, build_proof

_PORTS = {Scheme.HTTPS: "443", Scheme.HTTP: "80"}


def build_source_layout(
    folders: Mapping[str, Sequence[Source]],
    proofs: Sequence[Proof] = (),
    *,
    dial_timeout: str = DEFAULT_DIAL_TIMEOUT,
) -> Layout:
    """Build a layout of `host[:port]` of a base -> its sources, the first one tried first."""
    return build_layout(
        [build_hosts_folder(sources, folder=host, dial_timeout=dial_timeout) for host, sources in folders.items()],
        proofs,
    )


def build_source_proof(source: Source, reference_digest: str, master_pulls: Collection[str] = ()) -> Proof:
    """Build the proof that `source` alone answers with its own credentials.

    `reference_digest` is `sha256:…` of the image whose manifest and smallest layer every node fetches; `master_pulls`
    are whole references below the source's base that masters also pull and pin.
    """
    endpoint = source.endpoint
    address = endpoint.host if ":" in endpoint.host else f"{endpoint.host}:{_PORTS[endpoint.scheme]}"
    return build_proof(
        build_hosts_folder([source], folder=source.base.host),
        reference=source.base.build_reference(reference_digest),
        address=address,
        master_pulls=master_pulls,
    )
