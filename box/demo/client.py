# SPDX-License-Identifier: Apache-2.0
"""A client in a pod that fetches a manifest and a blob through the Service by name. Pure: the pod and its words."""

import json
from collections.abc import Mapping
from typing import Any

from box.load.pods import LOAD_LABEL

# Runs in the module's own image that has python3. Everything secret is read from the mounted pull secret; the result
# goes to the termination message.
SCRIPT = """
import base64, hashlib, json, pathlib, ssl, sys, urllib.request
folder, (digest, layer) = pathlib.Path("/etc/pull-secret"), sys.argv[1:3]
host, path = (folder / "address").read_text().strip(), (folder / "path").read_text().strip()
auths = json.loads((folder / ".dockerconfigjson").read_text())["auths"]
entry = auths.get(host + path) or auths[host]
auth = entry.get("auth") or base64.b64encode(f"{entry['username']}:{entry['password']}".encode()).decode()
context = ssl.create_default_context(cadata=(folder / "ca").read_text())
accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
def fetch(kind, reference):
    request = urllib.request.Request(f"https://{host}/v2{path}/{kind}/{reference}")
    request.add_header("Authorization", "Basic " + auth)
    request.add_header("Accept", accept)
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        body = answer.read()
    found = "sha256:" + hashlib.sha256(body).hexdigest()
    if found != reference:
        raise SystemExit(f"{kind} {reference} came as {found}")
    return len(body)
try:
    result = {"host": host, "manifest": fetch("manifests", digest), "blob": fetch("blobs", layer)}
except BaseException as error:
    result = {"error": f"{type(error).__name__}: {error}"}
pathlib.Path("/dev/termination-log").write_text(json.dumps(result))
"""


def build_client_pod(name: str, image: str, digest: str, layer: str) -> dict[str, Any]:
    """A pod in d8-system that asks the Service for a manifest and a blob with what `deckhouse-registry` says."""
    locked = {
        "runAsNonRoot": True,
        "runAsUser": 64535,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "d8-system", "labels": {LOAD_LABEL: "client"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "imagePullSecrets": [{"name": "deckhouse-registry"}],
            "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": "pull-secret", "secret": {"secretName": "deckhouse-registry"}}],
            "containers": [
                {
                    "name": "client",
                    "image": image,
                    "command": ["/usr/bin/python3", "-c", SCRIPT, digest, layer],
                    "securityContext": locked,
                    "volumeMounts": [{"name": "pull-secret", "mountPath": "/etc/pull-secret", "readOnly": True}],
                }
            ],
        },
    }


def read_client(pod: Mapping[str, Any]) -> tuple[tuple[str, ...], str] | None:
    """Problems and detail of a client pod; None while it has not ended."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated")
        if ended:
            return _read_message(ended)
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason", "").startswith(("Err", "ImagePull", "Create", "Run")):
            return (f"the client pod does not start: {waiting['reason']}: {waiting.get('message')}",), ""
    return None


def _read_message(ended: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    try:
        result = json.loads(ended.get("message", ""))
    except json.JSONDecodeError:
        return (f"the client pod ended with status {ended.get('exitCode')} and {ended.get('message')!r}",), ""
    if "error" in result:
        return (result["error"],), ""
    return (
        (),
        f"{result['host']}: a manifest of {result['manifest']} and a blob of {result['blob']} bytes, digests right",
    )
