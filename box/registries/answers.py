# SPDX-License-Identifier: Apache-2.0
"""Answers that the front gives itself, in the words of the distribution specification. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from box.registries.catalogue import Login, Registry
from box.registries.faults import Faults

_CODES = {401: "UNAUTHORIZED", 403: "DENIED", 404: "BLOB_UNKNOWN", 429: "TOOMANYREQUESTS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


def build_error(
    status: int, message: str, *, code: str = "", headers: Mapping[str, str] | None = None, fault: str = ""
) -> Answer:
    """An error as registries word it."""
    word = code or _CODES.get(status, "UNKNOWN")
    body = json.dumps({"errors": [{"code": word, "message": message}]}).encode() + b"\n"
    shown = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return Answer(status=status, body=body, headers=shown, fault=fault)


def build_challenge(registry: Registry, repository: str = "") -> dict[str, str]:
    """The header that asks a client to log in."""
    if registry.login is Login.BASIC:
        return {"WWW-Authenticate": f'Basic realm="{registry.name}"'}
    scope = f',scope="repository:{repository}:pull"' if repository else ""
    realm = f"https://{registry.token_host}/token"
    return {"WWW-Authenticate": f'Bearer realm="{realm}",service="{registry.host}"{scope}'}


def build_fault(faults: Faults, registry: Registry, repository: str) -> Answer | None:
    """The answer of a registry that is told to answer everything with a status; None where it is not."""
    if not faults.status:
        return None
    headers = build_challenge(registry, repository) if faults.status == 401 else {}
    if faults.status == 429:
        headers["Retry-After"] = str(faults.retry_after)
    return build_error(faults.status, "a planted fault", headers=headers, fault=str(faults.status))
