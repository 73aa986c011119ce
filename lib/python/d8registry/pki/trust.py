# SPDX-License-Identifier: Apache-2.0
"""What is trusted and what is served at the fixed address, while one authority follows another."""

from dataclasses import replace
from enum import StrEnum

from d8registry.pki.material import Material


class Trust(StrEnum):
    """How far a rotation is.

    OLD: none is under way. BOTH: the platform trusts both, the proxy still serves by the old one. MOVED: it
    serves by the new one. NEW: the new one alone.
    """

    OLD = "old"
    BOTH = "both"
    MOVED = "moved"
    NEW = "new"


def choose_trusted(material: Material, trust: Trust) -> str:
    """Choose the authorities (PEM) that the platform trusts, the one that serves last.

    A rotation that was given up leaves its successor behind, and pods of the proxy that still serve by it for seconds:
    that stays trusted until a rotation ends.
    """
    successor = material.successor
    if successor is None:
        return material.ca_pem
    if trust is Trust.NEW:
        return successor.ca_pem
    return _join(material.ca_pem, successor.ca_pem)


def choose_served(material: Material, trust: Trust) -> Material:
    """Choose the authority and certificate that the proxy serves with."""
    if material.successor is not None and trust in (Trust.MOVED, Trust.NEW):
        return material.successor
    return replace(material, successor=None)


def _join(*texts: str) -> str:
    return "".join(text if text.endswith("\n") else f"{text}\n" for text in texts)
