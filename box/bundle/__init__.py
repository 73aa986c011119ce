# SPDX-License-Identifier: Apache-2.0
"""The module as it is shipped: one tar of chart, hooks, schemas, documentation and the Python that hooks import.

The same checkout gives the same bytes, on any machine and on any day: wheels are pinned by hash, entries are sorted and
carry neither times nor owners. The box runs what is in the tar, never the checkout.
"""

from box.bundle.archive import Entry, unpack, write_tar
from box.bundle.contents import collect
from box.bundle.wheels import fetch_wheels

__all__ = ["Entry", "collect", "fetch_wheels", "unpack", "write_tar"]
