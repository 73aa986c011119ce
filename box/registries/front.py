# SPDX-License-Identifier: Apache-2.0
"""What stands before distribution: faults, tokens, redirects, the journal. All else goes through as it comes."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from box.registries.accounts import read_accounts, read_salt
from box.registries.answers import Answer, build_challenge, build_error, build_fault
from box.registries.catalogue import Login, Registry
from box.registries.faults import Faults
from box.registries.files import RegistryFiles
from box.registries.journal import (
    Entry,
    Kind,
    Shown,
    compute_credential,
    read_basic,
    read_shown,
    render_entry,
    split_path,
)
from box.registries.signing import build_signed_url, check_signed_url
from box.registries.tokens import Asked, Refused, decide_token, sign_token

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"}
)
_PIECES_A_SECOND = 10


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request under way; what goes into the journal is gathered here."""

    request: web.BaseRequest
    kind: Kind
    repository: str
    reference: str
    shown: Shown
    status: int = 0
    sent: int = 0
    refused: bool = False
    fault: str = ""


class Front:
    """Handles the requests of one registry and of its object store."""

    def __init__(self, registry: Registry, files: RegistryFiles) -> None:
        self._registry = registry
        self._files = files
        self._salt = read_salt(files)
        self._key = files.signing_key.read_bytes()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(files.backend), limit=0),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self.faults = Faults()
        self._changed = asyncio.Event()

    async def close(self) -> None:
        """Close the connections to distribution."""
        await self._session.close()

    def set_faults(self, faults: Faults) -> None:
        """Have requests meet these faults from now on; the ones that hang are let go when nothing hangs any more."""
        self.faults = faults
        self._changed.set()
        self._changed = asyncio.Event()

    def make_handler(self) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """The handler of the registry's own address."""
        return self._make_handler(self._answer, self._registry.name, self._files.journal)

    def make_store_handler(self) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """The handler of the object store's address."""
        return self._make_handler(self._answer_store, f"{self._registry.name}-store", self._files.store_journal)

    def _make_handler(
        self, answer: Callable[[Exchange], Awaitable[web.StreamResponse]], name: str, path: object
    ) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        journal: IO[str] = open(str(path), "a", encoding="utf-8", buffering=1)  # noqa: SIM115, PTH123 - for life

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            exchange = self._begin(request)
            try:
                await self._hang(exchange)
                return await answer(exchange)
            except ConnectionError:
                return web.Response(status=499)  # the client went away, or its connection was dropped by a fault
            finally:
                journal.write(render_entry(self._finish(exchange, name)))

        return handle

    def _begin(self, request: web.BaseRequest) -> Exchange:
        kind, repository, reference = split_path(request.rel_url.raw_path)
        shown = read_shown(request.headers.get("Authorization", ""), self._salt)
        return Exchange(request=request, kind=kind, repository=repository, reference=reference, shown=shown)

    def _finish(self, exchange: Exchange, name: str) -> Entry:
        return Entry(
            time=datetime.now(UTC),
            registry=name,
            remote=exchange.request.remote or "",
            account=exchange.shown.account,
            credential=exchange.shown.credential,
            refused=exchange.refused and bool(exchange.shown.account),
            method=exchange.request.method,
            kind=exchange.kind,
            repository=exchange.repository,
            reference=exchange.reference,
            uri=exchange.request.rel_url.raw_path_qs.partition("&signature")[0],
            status=exchange.status,
            sent=exchange.sent,
            agent=exchange.request.headers.get("User-Agent", ""),
            fault=exchange.fault,
        )

    async def _hang(self, exchange: Exchange) -> None:
        if not self.faults.hangs:
            return
        exchange.fault = "hang"
        while self.faults.hangs:
            await self._changed.wait()
        if exchange.request.transport is not None:
            exchange.request.transport.abort()
        raise ConnectionResetError

    async def _answer(self, exchange: Exchange) -> web.StreamResponse:
        own, request = self._registry, exchange.request
        if own.login is Login.TOKEN and request.host.partition(":")[0] == own.token_host:
            return await self._answer_token(exchange)
        if fault := build_fault(self.faults, own, exchange.repository):
            exchange.refused = fault.status == 401
            return await self._give(exchange, fault)
        return await self._relay(exchange)

    async def _answer_token(self, exchange: Exchange) -> web.StreamResponse:
        exchange.kind = Kind.TOKEN
        request = exchange.request
        asked = await _read_asked(request)
        exchange.repository = " ".join(asked.scopes)
        if asked.login:
            exchange.shown = Shown(account=asked.login[0], credential=compute_credential(self._salt, *asked.login))
        if fault := build_fault(self.faults, self._registry, ""):
            exchange.refused = fault.status == 401
            return await self._give(exchange, fault)
        decision = decide_token(asked, self._registry, read_accounts(self._files))
        if isinstance(decision, Refused):
            exchange.refused = decision.status == 401
            headers = {"WWW-Authenticate": f'Basic realm="{self._registry.token_host}"'} if exchange.refused else {}
            answer = build_error(decision.status, decision.message, code=decision.code, headers=headers)
            return await self._give(exchange, answer)
        now = int(time.time())
        token = sign_token(decision, self._registry, exchange.shown.credential, self._key, now, uuid.uuid4().hex)
        body = {"token": token, "access_token": token, "expires_in": 60, "issued_at": datetime.now(UTC).isoformat()}
        exchange.status = 200
        response = web.json_response(body)
        await response.prepare(request)
        return response

    async def _relay(self, exchange: Exchange) -> web.StreamResponse:
        own, request, is_blob = self._registry, exchange.request, exchange.kind is Kind.BLOB
        redirects = bool(own.store) and is_blob and request.method in ("GET", "HEAD")
        headers = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP)
        headers["X-Forwarded-Proto"] = own.scheme
        try:
            async with self._session.request(
                "HEAD" if redirects else request.method,
                URL(f"http://backend{request.rel_url.raw_path_qs}", encoded=True),
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            ) as inner:
                exchange.refused = inner.status in (401, 403)
                challenge = inner.headers.get("WWW-Authenticate", "")
                if answer := self._replace(exchange, inner.status, challenge, redirects=redirects):
                    return await self._give(exchange, answer)
                return await self._stream(exchange, inner.status, inner.headers, inner.content.iter_any())
        except aiohttp.ClientError as error:
            return await self._give(exchange, build_error(502, f"distribution does not answer: {error}"))

    def _replace(self, exchange: Exchange, status: int, challenge: str, *, redirects: bool) -> Answer | None:
        """What is said in place of distribution's answer, if anything."""
        own, digest = self._registry, exchange.reference
        if status == 404 and own.hides_missing:
            return build_error(401, "authentication required", headers=build_challenge(own, exchange.repository))
        if redirects and not 200 <= status < 300:
            # Distribution was only asked for the head, so the words are missing.
            return build_error(status, "", headers={"WWW-Authenticate": challenge} if challenge else {})
        if exchange.kind is not Kind.BLOB or not 200 <= status < 300:
            return None
        if self.faults.hides(digest):
            return build_error(404, "blob unknown to registry", fault="layer-missing")
        if redirects:
            url = build_signed_url(own.store_authority, digest, self._key, int(time.time()))
            return Answer(status=307, headers={"Location": url})
        return None

    async def _answer_store(self, exchange: Exchange) -> web.StreamResponse:
        request = exchange.request
        authorization = request.headers.get("Authorization", "")
        url, now = str(request.rel_url), int(time.time())
        digest, reason = check_signed_url(url, self._key, now, authorization=authorization)
        exchange.kind, exchange.reference = Kind.BLOB, digest
        if reason:
            return await self._give(exchange, build_error(400 if authorization else 403, reason))
        if self.faults.status:
            return await self._give(exchange, build_error(self.faults.status, "a planted fault"))
        path = self._files.blob(digest)
        if not path.is_file() or self.faults.hides(digest):
            return await self._give(exchange, build_error(404, "no such blob"))
        headers = {"Content-Length": str(path.stat().st_size), "Content-Type": "application/octet-stream"}
        content = await asyncio.to_thread(path.read_bytes)
        return await self._stream(exchange, 200, CIMultiDict(headers), _once(content))

    async def _give(self, exchange: Exchange, answer: Answer) -> web.StreamResponse:
        exchange.fault = exchange.fault or answer.fault
        headers = CIMultiDict({**answer.headers, "Content-Length": str(len(answer.body))})
        return await self._stream(exchange, answer.status, headers, _once(answer.body))

    async def _stream(
        self, exchange: Exchange, status: int, headers: Mapping[str, str], chunks: AsyncIterator[bytes]
    ) -> web.StreamResponse:
        """Send an answer, as slowly and as wrongly as the faults say."""
        kept = CIMultiDict((k, v) for k, v in headers.items() if k.lower() not in _HOP_BY_HOP)
        kept.setdefault("Server", "box-registry")
        response = web.StreamResponse(status=status, headers=kept)
        exchange.status = status
        await response.prepare(exchange.request)
        if exchange.request.method == "HEAD":
            return response
        is_content = exchange.kind is Kind.BLOB and 200 <= status < 300
        if is_content and self.faults.corrupts(exchange.reference):
            exchange.fault = "wrong-bytes"
            chunks = _corrupt(chunks)
        async for chunk in chunks:
            await self._write(exchange, response, chunk)
        await response.write_eof()
        return response

    async def _write(self, exchange: Exchange, response: web.StreamResponse, chunk: bytes) -> None:
        rest = chunk
        while rest:
            await self._hang(exchange)
            slow = self.faults.slow
            size = max(1, slow // _PIECES_A_SECOND) if slow else len(rest)
            piece, rest = rest[:size], rest[size:]
            if slow:
                exchange.fault = "slow"
                await asyncio.sleep(len(piece) / slow)
            await response.write(piece)
            exchange.sent += len(piece)


async def _read_asked(request: web.BaseRequest) -> Asked:
    query = request.rel_url.query
    login = read_basic(request.headers.get("Authorization", ""))
    if request.method != "POST":
        scopes = tuple(one for each in query.getall("scope", []) for one in each.split())
        return Asked(service=query.get("service", ""), scopes=scopes, login=login, account=query.get("account"))
    form = await request.post()
    words = {key: value for key, value in form.items() if isinstance(value, str)}
    if "username" in words:
        login = (words["username"], words.get("password", ""))
    return Asked(
        service=words.get("service", ""),
        scopes=tuple(words.get("scope", "").split()),
        login=login,
        grant=words.get("grant_type", ""),
    )


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _corrupt(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Turn the first byte round; the length stays."""
    first = True
    async for chunk in chunks:
        if first and chunk:
            chunk, first = bytes([chunk[0] ^ 0xFF]) + chunk[1:], False
        yield chunk
