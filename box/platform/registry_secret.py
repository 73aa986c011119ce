# SPDX-License-Identifier: Apache-2.0
"""Secret `deckhouse-registry` as the stand-in for deckhouse-controller reads it.

Deliberately independent of the module's own reading of the same contract: two readers that agree prove more.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "d8-system"
NAME = "deckhouse-registry"
DOCKER_CONFIG = ".dockerconfigjson"
SECRET_TYPE = "kubernetes.io/dockerconfigjson"  # noqa: S105 (a type, not a password)


class BrokenSecretError(Exception):
    """The Secret does not hold what the platform needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySecret:
    """What the platform pulls with; `path` has a leading slash, `ca` is PEM or empty."""

    address: str
    path: str
    scheme: str
    ca: str
    docker_config: str = field(repr=False)

    @property
    def base(self) -> str:
        """Image base: address and path."""
        return self.address + self.path


def parse_registry_secret(data: Mapping[str, str]) -> RegistrySecret:
    """Read the Secret's base64 data; BrokenSecretError names a key that is missing or wrong."""
    try:
        decoded = {key: base64.b64decode(value, validate=True).decode() for key, value in data.items()}
        secret = RegistrySecret(
            address=decoded["address"],
            path=decoded["path"],
            scheme=decoded["scheme"],
            ca=decoded.get("ca", ""),
            docker_config=decoded[DOCKER_CONFIG],
        )
        json.loads(secret.docker_config)
    except KeyError as error:
        raise BrokenSecretError(f"Secret {NAMESPACE}/{NAME} has no key {error}") from error
    except ValueError as error:
        raise BrokenSecretError(f"Secret {NAMESPACE}/{NAME}: {error}") from error
    return secret


def build_registry_secret(secret: RegistrySecret) -> dict[str, Any]:
    """Build the whole object."""
    values = {
        "address": secret.address,
        "path": secret.path,
        "scheme": secret.scheme,
        "ca": secret.ca,
        DOCKER_CONFIG: secret.docker_config,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": SECRET_TYPE,
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {"heritage": "deckhouse", "app": "registry"},
        },
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def compute_checksum(secret: RegistrySecret) -> str:
    """Hash a Secret's content for annotation `checksum/registry-version`.

    SHA-256, in hex, of a JSON object with the fields in the Secret's order, an empty `ca` left out and the docker
    configuration in base64, written as Go's encoding/json writes it.
    """
    fields = {"address": secret.address, "path": secret.path, "scheme": secret.scheme}
    if secret.ca:
        fields["ca"] = secret.ca
    fields[DOCKER_CONFIG] = base64.b64encode(secret.docker_config.encode()).decode()
    pairs = ",".join(f"{_write_go_string(key)}:{_write_go_string(value)}" for key, value in fields.items())
    return hashlib.sha256(f"{{{pairs}}}".encode()).hexdigest()


def find_login(secret: RegistrySecret) -> tuple[str, str]:
    """User and password for the address, both empty for an anonymous registry; entries are compared by host."""
    for key, entry in json.loads(secret.docker_config).get("auths", {}).items():
        if key.removeprefix("https://").removeprefix("http://").split("/")[0] != secret.address:
            continue
        if entry.get("username"):
            return entry["username"], entry.get("password", "")
        user, _, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
        return user, password
    return "", ""


def build_docker_config(address: str, username: str, password: str) -> str:
    """Build `.dockerconfigjson` with one entry, as the platform's installer writes it."""
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    entry = {"username": username, "password": password, "auth": auth} if username else {}
    return json.dumps({"auths": {address: entry}}, separators=(",", ":"))


def _write_go_string(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    # Go writes the rare control characters as \u00xx where Python has a short form.
    written = written.replace("\\b", "\\u0008").replace("\\f", "\\u000c") if "\b" in text or "\f" in text else written
    for character in "<>&\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written
