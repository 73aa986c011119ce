# SPDX-License-Identifier: Apache-2.0
"""Errors as the OCI distribution specification writes them."""

import json
from dataclasses import dataclass
from enum import StrEnum

REALM = "registry.d8-system.svc:5001"
API_VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")


class Code(StrEnum):
    """The specification's error codes that the proxy gives itself; UNAVAILABLE is what registries use for 5xx."""

    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    TOOMANYREQUESTS = "TOOMANYREQUESTS"
    UNAUTHORIZED = "UNAUTHORIZED"
    UNAVAILABLE = "UNAVAILABLE"
    UNSUPPORTED = "UNSUPPORTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What nginx is told: an answer for the client, or (status 200 with X-Accel-Redirect) where to go on."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def build_error(status: int, code: Code, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Return an error reply with its JSON body."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode() + b"\n"
    return Reply(status=status, headers=(("Content-Type", "application/json"), API_VERSION, *headers), body=body)


def build_unauthorized() -> Reply:
    """Return the 401 that asks a client to log in."""
    challenge = ("WWW-Authenticate", f'Basic realm="{REALM}"')
    return build_error(401, Code.UNAUTHORIZED, "authentication required", (challenge,))
