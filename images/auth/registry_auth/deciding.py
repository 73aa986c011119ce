# SPDX-License-Identifier: Apache-2.0
"""What becomes of a request: refused with an OCI error, answered here, or sent on to the upstream.

A request that goes on is answered with `X-Accel-Redirect: @upstream`: nginx then asks the upstream itself, for the
path and with the Authorization that the reply's headers name, and streams what comes to the client.
"""

from dataclasses import dataclass, field

from registry_auth.clients import is_accepted
from registry_auth.errors import FaultClass, UpstreamFault
from registry_auth.model import Users
from registry_auth.oci import API_VERSION, Code, Reply, build_error, build_unauthorized
from registry_auth.routes import Route, VersionCheck, parse_route
from registry_auth.tokens import UpstreamAuthorizer

_STATUS = {
    FaultClass.DENIED: (502, Code.UNAVAILABLE),
    FaultClass.UNTRUSTED: (502, Code.UNAVAILABLE),
    FaultClass.RATE_LIMITED: (429, Code.TOOMANYREQUESTS),
    FaultClass.UNAVAILABLE: (503, Code.UNAVAILABLE),
    FaultClass.TIMEOUT: (504, Code.UNAVAILABLE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRequest:
    """A request of a client, as nginx describes it."""

    method: str
    uri: str
    authorization: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The upstream's answer 401 or 403 to the Authorization that it was given at the `attempt`th try."""

    status: int
    attempt: int
    used: str = field(repr=False)


def decide_request(request: ClientRequest, users: Users, authorizer: UpstreamAuthorizer) -> Reply:
    """Return the reply to a client's request."""
    if not is_accepted(request.authorization, users):
        return build_unauthorized()
    route = parse_route(request.method, request.uri, authorizer.upstream.repository)
    if isinstance(route, Reply):
        return route
    if isinstance(route, VersionCheck):
        return Reply(status=200, headers=(("Content-Type", "application/json"), API_VERSION), body=b"{}")
    try:
        return _go_on(route, authorizer.authorization(route.repository), attempt=1)
    except UpstreamFault as fault:
        return build_fault(fault)


def decide_refusal(request: ClientRequest, refusal: Refusal, authorizer: UpstreamAuthorizer) -> Reply:
    """Return what follows when the upstream refused *our* credentials: one more try with others, or 502."""
    route = parse_route(request.method, request.uri, authorizer.upstream.repository)
    if not isinstance(route, Route):
        return build_error(500, Code.UNAVAILABLE, "the upstream was asked what it must not be asked")
    if refusal.status == 401 and refusal.attempt == 1:
        try:
            return _go_on(route, authorizer.after_refusal(route.repository, refusal.used), attempt=2)
        except UpstreamFault as fault:
            return build_fault(fault)
    upstream = authorizer.upstream
    who = f"user {upstream.username!r}" if upstream.username else "anonymous users"
    message = f"the upstream registry {upstream.host} does not let {who} read {route.repository} ({refusal.status})"
    return build_error(502, Code.UNAVAILABLE, message)


def build_fault(fault: UpstreamFault) -> Reply:
    """Return how a fault of the upstream is told to a client."""
    status, code = _STATUS[fault.kind]
    headers = (("Retry-After", str(fault.retry_after)),) if fault.retry_after else ()
    return build_error(status, code, fault.message, headers)


def _go_on(route: Route, authorization: str, attempt: int) -> Reply:
    headers = (
        ("X-Accel-Redirect", "@upstream"),
        ("X-Upstream-Path", route.path),
        ("X-Upstream-Authorization", authorization),
        ("X-Attempt", str(attempt)),
    )
    return Reply(status=200, headers=headers)
