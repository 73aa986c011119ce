# SPDX-License-Identifier: Apache-2.0
"""Keep Secret registry-pki: find what is in use, issue what is missing or about to end, prepare a rotation."""

from collections.abc import Mapping
from typing import Any

from d8registry.adapters.runtime import Run
from d8registry.kube import platform, proxy
from d8registry.kube.operations import Operation
from d8registry.model.endpoint import FIXED_BASE
from d8registry.model.state import State
from d8registry.pki.material import NAME as PKI
from d8registry.pki.material import Material, build_names, find_material
from d8registry.pki.trust import Trust
from d8registry.switching.material import build_material, is_checked
from d8registry.switching.observed import Observed
from d8registry.switching.plans import Proxy, find_stage


def read_material(state: State, seen: Mapping[str, Any]) -> Material | None:
    """Find the material in use among the Secrets of this run; raises InvalidObject where it is lost for good."""
    is_moved = find_stage(state).trust in (Trust.MOVED, Trust.NEW)
    return find_material(_decode(seen, PKI), _decode(seen, proxy.CERTIFICATE), read_trusted(seen), is_moved=is_moved)


def read_trusted(seen: Mapping[str, Any]) -> str:
    """Read the authorities that the platform trusts at the fixed address; empty while it pulls from elsewhere."""
    data = _decode(seen, platform.NAME)
    return data.get("ca", "") if data.get("address") == FIXED_BASE.host else ""


def renew(
    state: State, material: Material | None, observed: Observed, run: Run, seen: Mapping[str, Any]
) -> tuple[Operation, ...]:
    """Write what has to be issued; an authority is made once a switch needs one.

    Material that was looked at in the last day is not parsed again: that costs more than the rest of a run.
    """
    names, stage = build_names(observed.cluster_domain), find_stage(state)
    if (material is None and state.switch is None) or (material is not None and stage.proxy is Proxy.OFF):
        return ()
    if material is not None and material.successor is not None and stage.trust is Trust.NEW:
        return build_material(material.successor, names, run.now, seen, state)
    needs_successor = material is not None and material.successor is None and stage.trust is Trust.BOTH
    if material is not None and not needs_successor and is_checked(seen.get(PKI), names, run.now, state.salt):
        return ()
    from d8registry.adapters.certificates import issue_material, issue_successor
    from d8registry.pki.renewal import plan_renewal

    # What the proxy serves is in use before the platform trusts it: its pods reload when their kubelet brings it.
    is_in_use = bool(read_trusted(seen)) or proxy.CERTIFICATE in seen
    plan = plan_renewal(material, names, run.now, is_trusted=is_in_use)
    issued = issue_material(plan, material, names, run.now)
    if needs_successor:
        issued = issue_successor(issued, names, run.now)
    return build_material(issued, names, run.now, seen, state)


def _decode(seen: Mapping[str, Any], name: str) -> dict[str, str]:
    return platform.decode_secret(seen[name]) if name in seen else {}
