# SPDX-License-Identifier: Apache-2.0
"""Secret `deckhouse-registry`: what the platform pulls with (platform.md section 3)."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from d8registry.errors import InvalidObject
from d8registry.model.endpoint import FIXED_HOST, FIXED_PATH, Base, Credentials, Endpoint, Scheme, normalise_ca
from d8registry.model.secret import Secret

NAME = "deckhouse-registry"
DOCKER_CONFIG = ".dockerconfigjson"
KEYS = ("address", "path", "scheme", "ca", DOCKER_CONFIG)


def decode_secret(seen: Mapping[str, Any]) -> dict[str, str]:
    """Decode the data of a Secret object; a value that is not base64 of UTF-8 raises InvalidObject naming its key."""
    name = (seen.get("metadata") or {}).get("name", "")
    decoded = {}
    for key, value in (seen.get("data") or {}).items():
        try:
            decoded[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidObject(f"Secret d8-system/{name}: key {key} is not base64 of UTF-8 text") from error
    return decoded


def read_endpoint(seen: Mapping[str, Any]) -> Endpoint:
    """Read the endpoint that the Secret describes; raises InvalidObject where its contract is broken."""
    data = decode_secret(seen)
    if not data.get("address"):
        raise InvalidObject(f"Secret d8-system/{NAME}: key address is missing or empty; it is the platform's")
    if data.get("scheme") not in list(Scheme):
        raise InvalidObject(f"Secret d8-system/{NAME}: key scheme must be http or https; it is the platform's")
    return Endpoint(
        host=data["address"],
        path=data.get("path", "").rstrip("/"),
        scheme=Scheme(data["scheme"]),
        ca=normalise_ca(data.get("ca", "")),
        credentials=_find_credentials(data.get(DOCKER_CONFIG, ""), data["address"]),
    )


def is_fixed(endpoint: Endpoint) -> bool:
    """Tell whether the platform pulls from the fixed address."""
    return (endpoint.host, endpoint.path) == (FIXED_HOST, FIXED_PATH)


def build_docker_config(entries: Sequence[tuple[str, Credentials]]) -> str:
    """Build `.dockerconfigjson`: keys (host, or host/path) to credentials, in order; anonymous ones hold no user."""
    auths = {key: _build_entry(credentials) for key, credentials in entries}
    return json.dumps({"auths": auths}, separators=(",", ":"))


def build_data(base: Base, scheme: Scheme, ca: str, entries: Sequence[tuple[str, Credentials]]) -> dict[str, str]:
    """Build the five keys of the Secret."""
    return {
        "address": base.host,
        "path": base.path,
        "scheme": scheme.value,
        "ca": ca,
        DOCKER_CONFIG: build_docker_config(entries),
    }


def hash_content(data: Mapping[str, str]) -> str:
    """Hash the Secret's content as deckhouse-controller does for annotation checksum/registry-version.

    SHA-256, hex, of a JSON object in the Secret's own field order, `ca` left out when empty, the docker config as
    base64, with the escapes of Go's encoding/json.
    """
    fields = {key: data.get(key, "") for key in ("address", "path", "scheme", "ca")}
    if not fields["ca"]:
        del fields["ca"]
    fields[DOCKER_CONFIG] = base64.b64encode(data.get(DOCKER_CONFIG, "").encode()).decode()
    return hashlib.sha256(_dump_go(fields).encode()).hexdigest()


def _dump_go(value: Mapping[str, str]) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _build_entry(credentials: Credentials) -> dict[str, str]:
    if not credentials:
        return {}
    user, password = credentials.username, credentials.password.value
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"username": user, "password": password, "auth": auth}


def read_entries(seen: Mapping[str, Any]) -> tuple[tuple[str, Credentials], ...]:
    """Read the keys (host, or host and path) of the docker configuration with their credentials, in order."""
    return _parse_docker_config(decode_secret(seen).get(DOCKER_CONFIG, ""))


def _find_credentials(docker_config: str, host: str) -> Credentials:
    found = (known for key, known in _parse_docker_config(docker_config) if _read_host(key) == host)
    return next(found, Credentials())


def _parse_docker_config(text: str) -> tuple[tuple[str, Credentials], ...]:
    try:
        auths = (json.loads(text or "{}").get("auths") or {}).items()
        return tuple((key, _parse_entry(entry)) for key, entry in auths)
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidObject(f"Secret d8-system/{NAME}: key {DOCKER_CONFIG} is not a docker configuration") from error


def _parse_entry(entry: Mapping[str, str]) -> Credentials:
    user, password = entry.get("username", ""), entry.get("password", "")
    if not user and entry.get("auth"):
        user, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    return Credentials(username=user, password=Secret(password))


def _read_host(key: str) -> str:
    return key.removeprefix("https://").partition("/")[0]
