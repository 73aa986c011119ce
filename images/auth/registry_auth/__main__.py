# SPDX-License-Identifier: Apache-2.0
"""Run the sidecar until it is told to end; then as long as nginx still carries something."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from registry_auth.addresses import AddressBook
from registry_auth.controlling import Controller
from registry_auth.nginx_config import Place
from registry_auth.nginx_process import NginxProcess
from registry_auth.resolving import fetch_addresses, has_ipv6, read_nameservers
from registry_auth.servers import open_decision_server, open_status_server
from registry_auth.upstream_client import HttpUpstreamClient

_TICK_SECONDS = 1.0
_EAGER_TICK_SECONDS = 0.2


def main() -> int:
    """Start the servers and tick; every setting has the pod's value as default."""
    state = Path(os.environ.get("REGISTRY_PROXY_STATE", "/run/registry-proxy"))
    certificates = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    ipv6 = has_ipv6()
    place = Place(
        state=str(state),
        port=_port("REGISTRY_PROXY_PORT", 5001),
        auth_port=_port("REGISTRY_AUTH_PORT", 5003),
        generation_port=_port("REGISTRY_GENERATION_PORT", 5004),
        workers=int(os.environ.get("REGISTRY_PROXY_WORKERS", "2")),
        nameservers=read_nameservers(),
        ipv6=ipv6,
    )
    nginx = NginxProcess(state, place.generation_port)
    addresses = AddressBook(fetch_addresses, time.monotonic)
    controller = Controller(
        folder=Path(os.environ.get("REGISTRY_PROXY_CONFIGURATION", "/etc/registry-proxy")),
        system_certificates=certificates,
        place=place,
        nginx=nginx,
        addresses=addresses,
        client=HttpUpstreamClient(certificates),
        clock=time.monotonic,
        sleep=time.sleep,
        log=_log,
    )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    decisions = open_decision_server(place.auth_port, controller)
    status = open_status_server(_port("REGISTRY_STATUS_PORT", 5002), controller, ipv6=ipv6)
    for work in (decisions.serve_forever, status.serve_forever, lambda: _poll_for_ever(addresses)):
        _run_in_background(work)
    _log(f"deciding on 127.0.0.1:{place.auth_port}, status on port {status.server_address[1]}")
    while not ended.is_set():
        controller.tick()
        ended.wait(_TICK_SECONDS if controller.status.ready else _EAGER_TICK_SECONDS)
    _log("ending when nginx has ended")
    while nginx.is_alive():
        time.sleep(_EAGER_TICK_SECONDS)
    return 0


def _poll_for_ever(addresses: AddressBook) -> None:
    while True:
        addresses.poll()
        time.sleep(_EAGER_TICK_SECONDS)


def _run_in_background(work: Callable[[], None]) -> None:
    """Run it in a thread whose unexpected end is the end of the sidecar: the kubelet starts it anew."""

    def run() -> None:
        try:
            work()
        finally:
            _log("a thread of the sidecar ended; giving up")
            os._exit(1)

    threading.Thread(target=run, daemon=True).start()


def _port(name: str, default: int) -> int:
    return int(os.environ.get(name, default))


def _log(message: str) -> None:
    print(f"registry-auth: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
