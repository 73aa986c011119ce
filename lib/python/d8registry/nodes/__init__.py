# SPDX-License-Identifier: Apache-2.0
"""What nodes are told (the node plan) and what they answer (the witness).

The program that reads the one and writes the other is bash and lies in templates/registry-node/, where Helm can read
it: the parts in program/, and its systemd units.
"""

from d8registry.nodes.plan import (
    Canaries,
    Layout,
    NodePlan,
    Proof,
    build_layout,
    build_plan,
    build_proof,
    build_uninstall_plan,
    expected_token,
)
from d8registry.nodes.wire import parse_plan, render_plan
from d8registry.nodes.witness import Unreadable, parse_witness

__all__ = [
    "Canaries",
    "Layout",
    "NodePlan",
    "Proof",
    "Unreadable",
    "build_layout",
    "build_plan",
    "build_proof",
    "build_uninstall_plan",
    "expected_token",
    "parse_plan",
    "parse_witness",
    "render_plan",
]
