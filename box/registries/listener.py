# SPDX-License-Identifier: Apache-2.0
"""A public address of a registry: listening, accepting without an answer, or closed; with the certificate wanted."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import nullcontext
from enum import StrEnum

from aiohttp import web

from box.network import inside
from box.registries.faults import Faults
from box.registries.tls import Certificate

_BACKLOG = 1024


class State(StrEnum):
    """What happens to a client that connects."""

    SERVED = "served"
    ACCEPTED = "accepted"  # by the kernel only: nobody ever answers
    CLOSED = "closed"


class CertificateChoice:
    """One TLS context whose certificate can be changed at any moment, for the next handshake."""

    def __init__(self, contexts: Mapping[Certificate, ssl.SSLContext]) -> None:
        self._contexts = contexts
        self.kind = Certificate.GOOD
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Without tickets there is no resumption, so every connection sees the certificate of its moment.
        self.context.options |= ssl.OP_NO_TICKET
        self.context.num_tickets = 0
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._contexts[self.kind]


class Listener:
    """Serves one address with one handler."""

    def __init__(
        self, server: web.Server, address: str, port: int, certificates: CertificateChoice | None, namespace: str = ""
    ) -> None:
        self._server = server
        self._where = (address, port)
        self._certificates = certificates
        self._namespace = namespace
        self._state = State.CLOSED
        self._serving: asyncio.Server | None = None
        self._silent: socket.socket | None = None

    async def apply(self, faults: Faults) -> None:
        """Be as the faults say; returns when the next client meets it."""
        wanted = State.CLOSED if faults.down else State.ACCEPTED if faults.hangs else State.SERVED
        certificate_changes = self._certificates is not None and self._certificates.kind is not faults.certificate
        if self._certificates is not None:
            self._certificates.kind = faults.certificate
        if wanted is self._state:
            if certificate_changes:
                self._drop_connections()
            return
        self._close()
        # Whoever hangs keeps its connections: clients wait on those as well.
        if wanted is not State.ACCEPTED:
            self._drop_connections()
        await self._open(wanted)
        self._state = wanted

    async def _open(self, wanted: State) -> None:
        if wanted is State.CLOSED:
            return
        with inside(self._namespace) if self._namespace else nullcontext():
            listening = socket.create_server(self._where, backlog=_BACKLOG)
        if wanted is State.ACCEPTED:
            self._silent = listening
            return
        context = self._certificates.context if self._certificates else None
        loop = asyncio.get_running_loop()
        self._serving = await loop.create_server(self._server, sock=listening, ssl=context, backlog=_BACKLOG)

    def _close(self) -> None:
        if self._serving is not None:
            self._serving.close()
            self._serving = None
        if self._silent is not None:
            self._silent.close()
            self._silent = None

    def _drop_connections(self) -> None:
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()
