# SPDX-License-Identifier: Apache-2.0
"""What the platform hands to modules as `global.*`, and the module's switch, as addon-operator's ConfigMap."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from box.images import ImageSet
from box.layout import CLUSTER_DOMAIN
from box.platform.registry_secret import RegistrySecret


def build_module_name(camel: str) -> str:
    """Turn `nodeManager` into `node-manager`."""
    return re.sub(r"(?<!^)([A-Z])", r"-\1", camel).lower()


def list_modules(image_set: ImageSet) -> tuple[str, ...]:
    """Names of the modules that the image set has, in kebab case, sorted."""
    return tuple(sorted({build_module_name(image.module) for image in image_set.images}))


def build_operator_config(
    secret: RegistrySecret, image_set: ImageSet, module_config: Mapping[str, Any] | None, masters: int = 1
) -> dict[str, Any]:
    """Build ConfigMap `addon-operator`; `module_config` is ModuleConfig `registry`, if there is one.

    Under the platform a module's settings come from its ModuleConfig; plain addon-operator reads this ConfigMap.
    """
    values = {
        "clusterIsBootstrapped": True,
        "clusterConfiguration": {
            "clusterType": "Static",
            "defaultCRI": "ContainerdV2",
            "clusterDomain": CLUSTER_DOMAIN,
        },
        "discovery": {
            "clusterDomain": CLUSTER_DOMAIN,
            "kubernetesVersion": "1.34.4",
            "clusterControlPlaneIsHighlyAvailable": masters > 1,
            "clusterMasterCount": masters,
        },
        "enabledModules": list(list_modules(image_set)),
        "modulesImages": {
            "registry": {"base": secret.base, "address": secret.address, "path": secret.path, "scheme": secret.scheme},
            "digests": image_set.digests(),
        },
    }
    spec = (module_config or {}).get("spec") or {}
    data = {
        "registryEnabled": "false" if spec.get("enabled") is False else "true",
        "global": yaml.safe_dump(values, sort_keys=True),
    }
    if spec.get("settings"):
        data["registry"] = yaml.safe_dump(spec["settings"], sort_keys=True)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "addon-operator", "namespace": "d8-system"},
        "data": data,
    }
