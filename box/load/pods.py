# SPDX-License-Identifier: Apache-2.0
"""The load's pods: what they look like, and what the kubelet's words say of their image pull. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from box.load.pulls import Outcome

LOAD_LABEL = "box.d8-registry/load"
PULL_SECRET = "deckhouse-registry"  # noqa: S105 - the name of a Secret
PULL_FAILURES = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrInvalidImageName", "RegistryUnavailable"}
    | {"ImageInspectError", "SignatureValidationFailed", "ErrImageNeverPull"}
)
_CUT_OFF = ("error reading from server: EOF", "containerd.sock: connect:", "transport is closing", "server is stopping")


def build_pull_pod(name: str, namespace: str, node: str, image: str, secret: str = PULL_SECRET) -> dict[str, Any]:
    """A pod that pulls `image` on `node` with a pull secret of its namespace, does nothing, and ends."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {LOAD_LABEL: "pull"}},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            # The pull is what counts: no pod network is made and taken down for it.
            "hostNetwork": True,
            "terminationGracePeriodSeconds": 0,
            "imagePullSecrets": [{"name": secret}],
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {"name": "pull", "image": image, "imagePullPolicy": "Always", "command": ["/bin/busybox", "true"]}
            ],
        },
    }


def read_outcome(pod: Mapping[str, Any]) -> tuple[Outcome, str] | None:
    """What the pod's status says of its pull; None while it says nothing yet."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        waiting = state.get("waiting")
        if waiting and waiting.get("reason") in PULL_FAILURES:
            return Outcome.FAILED, f"{waiting['reason']}: {waiting.get('message', '')}"
        if waiting and waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return Outcome.UNCLEAR, f"{waiting['reason']}: {waiting.get('message', '')}"
        if "running" in state or ("terminated" in state and container.get("imageID")):
            return Outcome.PULLED, ""
        if "terminated" in state:
            return Outcome.UNCLEAR, f"ended without an image: {state['terminated'].get('message', '')}"
    if status.get("phase") == "Failed":
        return Outcome.UNCLEAR, f"{status.get('reason', 'Failed')}: {status.get('message', '')}"
    return None


def find_pull_failure(events: Iterable[Mapping[str, Any]]) -> str:
    """The first event of the pod that tells of a failed pull (a later retry does not undo it), or the empty text."""
    for event in sorted(events, key=lambda one: str(one.get("firstTimestamp") or one.get("eventTime") or "")):
        reason, message = event.get("reason", ""), event.get("message", "")
        if reason == "Failed" and ("pull" in message.lower() or "ErrImagePull" in message):
            return f"event {reason}: {message}"
        if reason == "BackOff" and "pulling image" in message:
            return f"event {reason}: {message}"
    return ""


def is_cut_off(reason: str) -> bool:
    """Whether the kubelet complains of its own connection to containerd, and of no registry."""
    return any(words in reason for words in _CUT_OFF)


def describe_stuck(pod: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> str:
    """What is known of a pod that came to nothing: its phase and the last warning."""
    warnings = [f"{one.get('reason')}: {one.get('message')}" for one in events if one.get("type") == "Warning"]
    phase = (pod.get("status") or {}).get("phase", "without status")
    return f"pod is {phase}" + (f"; last warning {warnings[-1]}" if warnings else "")
