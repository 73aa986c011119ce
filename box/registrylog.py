# SPDX-License-Identifier: Apache-2.0
"""Read the JSON log of distribution 2.8: one Request for each request that the registry answered.

A request leaves several lines that share `http.request.id`. Who asked and what was answered stand in "response
completed" or "response completed with error"; the user only in other lines of the same request (at level debug). A
request that was refused for its credentials has no status in the log: it ends with "error authorizing context".
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

_COMPLETED = ("response completed", "response completed with error")
_UNAUTHORIZED = "error authorizing context"
_FAILED_LOGIN = re.compile(r'^error authenticating user "(?P<user>[^"]*)"')
_PATH = re.compile(r"^/v2/(?P<repository>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/?]+)(\?.*)?$")


class RequestKind(StrEnum):
    """What was asked for."""

    MANIFEST = "manifest"
    BLOB = "blob"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the registry saw it."""

    time: datetime  # when the answer was complete, UTC
    remote: str  # address without the port
    user: str  # empty: not known, or nobody
    method: str
    kind: RequestKind
    repository: str  # empty for OTHER
    reference: str  # tag or digest; empty for OTHER
    uri: str
    status: int
    user_agent: str

    @property
    def ok(self) -> bool:
        """Whether the registry answered with what was asked for."""
        return 200 <= self.status < 400


def parse_requests(text: str) -> tuple[Request, ...]:
    """Return the requests of a log in the order in which they were completed.

    A last line that is still being written is left out; lines that are not requests are passed over.
    """
    users: dict[str, str] = {}
    requests: list[Request] = []
    for line in _complete_lines(text):
        # The storage driver's traces are most of a debug log and never the only line of a request that names its user.
        if '"http.request.id"' not in line or '"trace.id"' in line:
            continue
        fields: dict[str, Any] = json.loads(line)
        identity = fields["http.request.id"]
        message = fields["msg"]
        if user := _user_of(fields, message):
            users[identity] = user
        if message in _COMPLETED:
            requests.append(_request(fields, users.pop(identity, ""), fields["http.response.status"]))
        elif message.startswith(_UNAUTHORIZED):
            requests.append(_request(fields, users.pop(identity, ""), 401))
    return tuple(requests)


def _complete_lines(text: str) -> Iterable[str]:
    lines = text.split("\n")
    return (line for line in lines[:-1] if line.startswith("{"))


def _user_of(fields: dict[str, Any], message: str) -> str:
    if failed := _FAILED_LOGIN.match(message):
        return failed["user"]
    return str(fields.get("auth.user.name", ""))


def _request(fields: dict[str, Any], user: str, status: int) -> Request:
    uri = fields["http.request.uri"]
    path = _PATH.match(uri)
    return Request(
        time=_time(fields["time"]),
        remote=_address(fields["http.request.remoteaddr"]),
        user=user,
        method=fields["http.request.method"],
        kind=RequestKind(path["kind"].removesuffix("s")) if path else RequestKind.OTHER,
        repository=path["repository"] if path else "",
        reference=path["reference"] if path else "",
        uri=uri,
        status=status,
        user_agent=fields.get("http.request.useragent", ""),
    )


def _address(remote: str) -> str:
    """Drop the port of `1.2.3.4:5` and `[::1]:5`; a bare address stays."""
    if remote.startswith("["):
        return remote[1:].partition("]")[0]
    return remote.partition(":")[0] if remote.count(":") == 1 else remote


def _time(text: str) -> datetime:
    """Parse RFC 3339 with nanoseconds, of which datetime keeps the microseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
