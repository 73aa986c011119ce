# SPDX-License-Identifier: Apache-2.0
"""The prefixes that image references carry: the platform's contract, stated anew because it judges the module."""

from dataclasses import dataclass

from box.registries.catalogue import REGISTRIES

FIXED_HOST = "registry.d8-system.svc:5001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """`host[:port]` and `/path` of a registry address."""

    host: str
    path: str

    def build_reference(self, digest: str) -> str:
        """The image reference for a digest."""
        return f"{self.host}{self.path}@{digest}"


FIXED_BASE = Base(host=FIXED_HOST, path="/system/deckhouse")


def list_bases() -> tuple[Base, ...]:
    """Every base that a run on the box can have used; an image is gone from a node when it has no name under any."""
    real = (Base(host=one.authority, path=f"/{path}") for one in REGISTRIES for path in one.paths)
    return (FIXED_BASE, *real)
