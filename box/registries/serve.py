# SPDX-License-Identifier: Apache-2.0
"""The process of a front: `python -m box.registries.serve FOLDER`, until SIGTERM."""

import asyncio
import json
import signal
import ssl
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from box.registries.catalogue import Login, Program, Registry
from box.registries.faults import build_document, read_document
from box.registries.files import RegistryFiles
from box.registries.front import Front
from box.registries.listener import CertificateChoice, Listener
from box.registries.tls import Certificate


def write_descriptor(files: RegistryFiles, registry: Registry, *, namespaces: bool) -> None:
    """Write what the process is to serve; with `namespaces`, the object store listens in a namespace of its own."""
    content = {"registry": asdict(registry), "namespaces": namespaces}
    files.descriptor.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_descriptor(files: RegistryFiles) -> tuple[Registry, bool]:
    """Read what write_descriptor wrote."""
    content: dict[str, Any] = json.loads(files.descriptor.read_text(encoding="utf-8"))
    fields = content["registry"]
    made = Registry(
        **{
            **fields,
            "paths": tuple(fields["paths"]),
            "program": Program(fields["program"]),
            "login": Login(fields["login"]),
        }
    )
    return made, content["namespaces"]


async def serve(files: RegistryFiles) -> None:
    """Serve until SIGTERM."""
    registry, namespaces = read_descriptor(files)
    front = Front(registry, files)
    certificates = _load_certificates(files) if registry.scheme == "https" else None
    # A server's connections are dropped together, so each address has one of its own.
    listeners = [Listener(_make_server(front.make_handler()), registry.address, registry.port, certificates)]
    if registry.store:
        where = registry.store_namespace if namespaces else ""
        store = _make_server(front.make_store_handler())
        certificates = _load_certificates(files)
        listeners.append(Listener(store, registry.store_address, registry.store_port, certificates, where))

    async def change(request: web.Request) -> web.Response:
        faults = read_document(await request.json())
        front.set_faults(faults)
        for listener in listeners:
            await listener.apply(faults)
        return web.json_response(build_document(faults))

    async def show(_: web.Request) -> web.Response:
        return web.json_response(build_document(front.faults))

    for listener in listeners:
        await listener.apply(front.faults)
    control = web.Application()
    control.add_routes([web.put("/faults", change), web.get("/faults", show)])
    runner = web.AppRunner(control, access_log=None)
    await runner.setup()
    files.control.unlink(missing_ok=True)
    await web.UnixSite(runner, str(files.control)).start()
    print(f"{registry.name} listens on {registry.address}:{registry.port}", flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()
    await front.close()


def _make_server(handler: Any) -> web.Server:
    return web.Server(handler, access_log=None)


def _load_certificates(files: RegistryFiles) -> CertificateChoice:
    contexts = {}
    for kind in Certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate(kind))
        contexts[kind] = context
    return CertificateChoice(contexts)


if __name__ == "__main__":
    asyncio.run(serve(RegistryFiles(folder=Path(sys.argv[1]))))
