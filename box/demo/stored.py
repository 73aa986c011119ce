# SPDX-License-Identifier: Apache-2.0
"""Names in a node's image store: which must go so that a manifest is fetched again. Pure."""


def find_names(listing: str, digest: str) -> tuple[str, ...]:
    """All names that `ctr images ls` shows for a manifest digest (with both bases, and CRI's own name for it)."""
    rows = [line.split() for line in listing.splitlines()[1:]]
    return tuple(row[0] for row in rows if len(row) > 2 and row[2] == digest)
