# SPDX-License-Identifier: Apache-2.0
"""Ask whether the platform's side has followed: the proxy's pods, deckhouse, the copies of the pull secret."""

from collections.abc import Mapping
from datetime import datetime

from d8registry.checker.message import summarise
from d8registry.kube.platform import DOCKER_CONFIG, hash_content
from d8registry.switching.guards import name_some
from d8registry.switching.observed import Observed
from d8registry.switching.outcome import Done, Outcome, Waiting
from d8registry.switching.realise import Desired
from d8registry.switching.standing import find_result

QUEUE = (
    "if this lasts, look for a module that blocks queue main of the operator: "
    "kubectl -n d8-system exec deploy/deckhouse -- deckhouse-controller queue main"
)


def confirm_proxy(observed: Observed, desired: Desired) -> Outcome:
    """Confirm that every pod is Ready, reports its generations and serves each user."""
    pods, wanted = observed.proxy_pods, desired.internal["proxy"]["replicas"]
    ready = sum(pod.ready for pod in pods)
    if ready < wanted or len(pods) != wanted:
        message = f"{ready} of {wanted} pods of Deployment d8-system/registry-incluster-proxy are Ready"
        if not observed.is_proxy_rendered:
            message = f"Deployment d8-system/registry-incluster-proxy is not rendered yet by Helm; {QUEUE}"
        return Waiting(reason="WaitingForProxy", message=message, progress=f"{ready}/{wanted}")
    result = find_result(desired.questions.proxy, observed)
    if result is None:
        return Waiting(reason="CheckingProxy", message="asking each proxy pod for a manifest with each user")
    if not result.ok:
        progress = f"proxy {result.found}/{result.total}"
        return Waiting(reason="ProxyNotServing", message=summarise(result), progress=progress)
    return Done(message=f"{ready} of {wanted} proxy pods serve the registry to each user")


def confirm_takeover(
    observed: Observed, wanted: Mapping[str, str], now: datetime, *, accepted_from: datetime | None
) -> Outcome:
    """Confirm that deckhouse runs with what Secret deckhouse-registry says, and that the platform's copies say it.

    From `accepted_from` on a copy that has not followed is one that nothing renders any more, and stays behind.
    """
    checksum = hash_content(wanted)
    current = [pod for pod in observed.deckhouse_pods if pod.checksum == checksum]
    if not any(pod.ready for pod in current):
        names = ", ".join(pod.name for pod in current or observed.deckhouse_pods) or "none yet"
        message = f"deckhouse takes Secret d8-system/deckhouse-registry over (pods of Deployment deckhouse: {names})"
        message += f"; {QUEUE}"
        return Waiting(reason="WaitingForDeckhouse", message=message, progress=f"{len(current)} pods with it")
    copies = observed.copies
    behind = [copy.namespace for copy in copies if copy.docker_config.value != wanted[DOCKER_CONFIG]]
    if behind and (accepted_from is None or now < accepted_from):
        done = len(copies) - len(behind)
        message = f"{done} of {len(copies)} copies of the pull secret have followed; waiting for deckhouse to render "
        message += (
            f"Secret deckhouse-registry in {name_some(behind)}. If a disabled module left one behind, delete it; "
        )
        message += QUEUE if accepted_from is None else f"at {accepted_from:%H:%M:%S} UTC they stay behind, as accepted"
        progress = f"{done}/{len(copies)}"
        is_timed = accepted_from is not None
        return Waiting(reason="WaitingForCopies", message=message, progress=progress, is_timed=is_timed)
    return Done(message="deckhouse-controller runs with the new address, and every d8-* namespace has its pull secret")


def confirm_restart(observed: Observed, restarts: tuple[str, ...]) -> Outcome:
    """Confirm that deckhouse runs in pods that were made after its image could come from the new source."""
    left = [pod.name for pod in observed.deckhouse_pods if pod.name in restarts]
    ready = [pod.name for pod in observed.deckhouse_pods if pod.ready and pod.name not in restarts]
    if left or not ready:
        names = name_some(left) if left else "none of them Ready yet"
        message = f"deckhouse starts anew with the image of the new registry (pods of Deployment deckhouse: {names})"
        return Waiting(reason="WaitingForDeckhouse", message=message, progress=f"{len(left)} old, {len(ready)} Ready")
    return Done(message=f"deckhouse runs anew: {name_some(ready)}")
