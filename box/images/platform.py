# SPDX-License-Identifier: Apache-2.0
"""The stand-in for the platform's images: what each one is called and what it is made of.

Nothing here does the work of the component it is named after. Each image is a statically linked busybox, a layer
shared by its module, and a layer of its own with bytes that do not compress, so that a pull costs what a pull costs.
"""

import hashlib
from dataclasses import dataclass

from box.images.oci import File, Layer, Process, build_layer

REPOSITORY = "deckhouse/ee"
TAG = "v1.72.0"
PAUSE_REFERENCE = "deckhouse.local/images:pause"
DECKHOUSE_PORT = 4222

# Waits for work that never comes, ends at once when told to, and reaps what is left to it.
_IDLE = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done"
IDLE = Process(entrypoint=("/bin/sh", "-c", _IDLE))
DECKHOUSE = Process(entrypoint=("/bin/httpd", "-f", "-p", str(DECKHOUSE_PORT), "-h", "/www"), stop_signal="SIGTERM")

# Module -> images, as in `global.modulesImages.digests`; with the two of module `registry` there are thirty.
MODULES: dict[str, tuple[str, ...]] = {
    "certManager": ("certManagerController", "certManagerWebhook"),
    "cniCilium": ("agent", "operator"),
    "common": ("kubeRbacProxy", "shellOperator", "csiExternalProvisioner"),
    "controlPlaneManager": ("controlPlaneManager", "etcd"),
    "deckhouse": ("imageAvailabilityExporter", "webhookHandler"),
    "ingressNginx": ("controller", "kruise"),
    "monitoringKubernetes": ("kubeStateMetrics", "nodeExporter"),
    "nodeManager": ("bashibleApiserver", "earlyOom", "machineControllerManager"),
    "operatorTrivy": ("operator", "nodeCollector"),
    "prometheus": ("prometheus", "alertmanager", "grafana", "trickster"),
    "registryPackagesProxy": ("registryPackagesProxy",),
    "userAuthn": ("dex", "dexAuthenticator", "kubeconfigGenerator"),
}
# The one that is an index for two architectures.
MULTI_ARCHITECTURE = ("common", "kubeRbacProxy")
# What the load generator pulls: three for each node of the small box and some to spare.
LOAD_MODULES = ("prometheus", "operatorTrivy", "monitoringKubernetes", "certManager", "userAuthn")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformLayers:
    """The layers that make one stand-in image its own."""

    module: Layer
    unique: Layer


def build_platform_layers(module: str, name: str, architecture: str = "amd64") -> PlatformLayers:
    """Return the layer shared by a module's images and the one that only this image has."""
    shared = build_layer({f"usr/share/platform/{module}.data": File(content=make_noise(f"{module}", 32 * 1024))})
    size = 64 * 1024 + int(hashlib.sha256(f"{module}/{name}".encode()).hexdigest()[:4], 16) * 2
    label = f"{module}/{name}/{architecture}"
    unique = build_layer({f"usr/share/platform/{module}-{name}.data": File(content=make_noise(label, size))})
    return PlatformLayers(module=shared, unique=unique)


def build_deckhouse_layer() -> Layer:
    """Return what the deckhouse stand-in serves: `/readyz` and `/healthz` on port 4222."""
    files = {f"www/{name}": File(content=b"ok\n") for name in ("readyz", "healthz")}
    return build_layer({**files, "www/noise": File(content=make_noise("deckhouse/deckhouse", 160 * 1024))})


def build_busybox_layer(busybox: bytes, applets: tuple[str, ...]) -> Layer:
    """Return the base layer: busybox with a link for each applet, writable places, and names for the two users."""
    passwd = b"root:x:0:0:root:/:/bin/sh\ndeckhouse:x:64535:64535:deckhouse:/:/bin/sh\n"
    group = b"root:x:0:\ndeckhouse:x:64535:\n"
    files = {
        "bin/busybox": File(content=busybox, mode=0o755),
        "etc/passwd": File(content=passwd),
        "etc/group": File(content=group),
        "tmp/.keep": File(content=b""),
    }
    return build_layer(files, {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"})


def make_noise(label: str, size: int) -> bytes:
    """Return bytes that do not compress and are the same each time."""
    return hashlib.shake_256(label.encode()).digest(size)
