# SPDX-License-Identifier: Apache-2.0
"""Tell whether somebody else changed a Secret that we wrote: the names and marks of its keys, in an annotation.

A mark is a short salted hash: annotations are read by many, and must not let anyone try out passwords. A seal made
with another salt (the state was begun anew) says nothing.
"""

import hashlib
from collections.abc import Mapping

SEAL = "registry.deckhouse.io/content"


def build_seal(data: Mapping[str, str], salt: str) -> str:
    """Build the annotation over `data` as the object holds it (base64): `salt-mark key=mark …`, keys sorted."""
    return " ".join([_mark(salt, ""), *(f"{key}={_mark(salt, value)}" for key, value in sorted(data.items()))])


def find_changed_keys(data: Mapping[str, str], seal: str, salt: str) -> tuple[str, ...]:
    """List the keys of `data` that were changed, added or removed since it was sealed; none for a foreign seal."""
    mark, *entries = seal.split(" ")
    if mark != _mark(salt, ""):
        return ()
    sealed = {key: mark for key, _, mark in (entry.rpartition("=") for entry in entries)}
    found = {key: _mark(salt, value) for key, value in data.items()}
    return tuple(sorted(key for key in sealed.keys() | found.keys() if sealed.get(key) != found.get(key)))


def _mark(salt: str, value: str) -> str:
    return hashlib.sha256(f"{salt}\n{value}".encode()).hexdigest()[:12]
