# SPDX-License-Identifier: Apache-2.0
"""The two HTTP servers of the sidecar: decisions for nginx on loopback, status for the cluster.

Neither logs requests: nginx logs each one, and ours carry the credentials of clients.
"""

import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from registry_auth.controlling import Controller
from registry_auth.deciding import ClientRequest, Refusal, decide_refusal, decide_request
from registry_auth.oci import Code, Reply, build_error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over what a peer that went away leaves; anything else is printed by the base class."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "registry-auth"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one write
    controller: ClassVar[Controller]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Write nothing."""

    def do_GET(self) -> None:
        """Answer."""
        reply = self.reply()
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()

    def reply(self) -> Reply:
        """Return the answer; subclasses say which."""
        raise NotImplementedError


class _DecisionHandler(_Handler):
    def reply(self) -> Reply:
        users = self.controller.users
        authorizer = self.controller.authorizer(self.headers.get("X-Registry-Upstream", ""))
        if users is None or authorizer is None:
            return build_error(503, Code.UNAVAILABLE, "the proxy is changing its upstream; try again")
        request = ClientRequest(
            method=self.headers.get("X-Original-Method", ""),
            uri=self.headers.get("X-Original-URI", ""),
            authorization=self.headers.get("Authorization", ""),
        )
        if self.headers.get("X-Question") != "refusal":
            return decide_request(request, users, authorizer)
        refusal = Refusal(
            status=int(self.headers.get("X-Upstream-Status", "403")),
            attempt=int(self.headers.get("X-Attempt") or "2"),
            used=self.headers.get("X-Used-Authorization", ""),
        )
        return decide_refusal(request, refusal, authorizer)


class _StatusHandler(_Handler):
    def reply(self) -> Reply:
        status = self.controller.status
        if self.path == "/status":
            return _json(200, status.to_wire())
        if self.path == "/healthz":
            return _json(200 if self.controller.serving else 503, {"serving": self.controller.serving})
        if self.path == "/livez":
            alive = self.controller.is_alive()
            return _json(200 if alive else 503, {"alive": alive})
        return _json(404, {"message": "there are /status, /healthz and /livez"})


def open_decision_server(port: int, controller: Controller) -> ThreadingHTTPServer:
    """Listen for nginx's questions on loopback."""
    handler = type("DecisionHandler", (_DecisionHandler,), {"controller": controller})
    return _Server(("127.0.0.1", port), handler)


def open_status_server(port: int, controller: Controller, *, ipv6: bool) -> ThreadingHTTPServer:
    """Listen for probes and the module's hooks on every address of the pod."""
    handler = type("StatusHandler", (_StatusHandler,), {"controller": controller})
    # On Linux a socket on [::] takes IPv4 as well, unless the machine says otherwise.
    return _Server6(("::", port), handler) if ipv6 else _Server(("0.0.0.0", port), handler)  # noqa: S104 - a pod's own port


def _json(status: int, content: dict[str, object]) -> Reply:
    return Reply(status=status, headers=(("Content-Type", "application/json"),), body=json.dumps(content).encode())
