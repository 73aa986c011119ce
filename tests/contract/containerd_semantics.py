# SPDX-License-Identifier: Apache-2.0
"""What containerd does with an ordered list of sources: real pulls through CRI, recorded as a truth table.

The cluster in memory models these rules, and the module is built on them; `containerd_semantics.json` beside this file
is the record for both generations (with the box's patch for `auth` and `rewrite`, and hosts.toml as the module writes
it). A line says, for one case: whether the image came, who served its manifest and its blobs, which accounts were
shown to which registry (sorted; `-` is anonymous), how often one was refused, and which sources the error names. Where
a source hangs, or 1.7 (which has no `dial_timeout`) dials in vain, the pull is cut after HANG seconds: it has not gone
on to the next source by then.

Factors: the first source's fault x where it shows (connection, manifest, blob) x Basic or Bearer at either source x
the pull's own credentials x the same host twice x generation.

Run as a program, inside namespaces of its own, it prints the table.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from d8registry.adapters.certificates import issue_authority, issue_certificate
from d8registry.containerd import build_hosts_folder
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials, Endpoint, Source
from d8registry.model.secret import Secret

from box.images.oci import File, Image, Process, build_image, build_layer
from tests.support import isolated
from tests.support.containerd import Containerd, Generation, run_containerd
from tests.support.pull_registry import Auth, Fault, PullRegistry, serve

HANG = 1.0
_NOW = datetime.now(UTC)
_AUTHORITY, _STRANGER = issue_authority(_NOW), issue_authority(_NOW, "Somebody else")

STATUSES = {
    "403": Fault(status=403),
    "404": Fault(status=404),
    "429": Fault(status=429, headers=(("Retry-After", "1"),)),
    "500": Fault(status=500),
    "503": Fault(status=503),
    "hang": Fault(hang=60),
}
BODIES = {"truncated": Fault(cut=20), "wrong bytes": Fault(wrong_bytes=True)}
UNREACHABLE = ("refused.test", "unknown.test", "broken.test", "hole.test")
"""Hosts to which no connection comes about: port closed, no such name, DNS server broken, packets lost."""

PULLS: Mapping[str, tuple[str, str] | None] = {
    "no pull secret": None,
    "new": ("new", "new-password"),
    "old": ("old", "old-password"),
    "wrong password": ("new", "wrong-password"),
    "no password": ("new", ""),
}
_PASSWORDS = {"old": "old-password", "new": "new-password"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One pull: `sources` are (host, account) in their order, `faults` (host, kind) -> what happens there."""

    name: str
    sources: tuple[tuple[str, str], ...]
    faults: Mapping[tuple[str, str], Fault] = field(default_factory=dict)
    accounts: tuple[str, ...] = ("old", "new")
    pull: str = "no pull secret"
    distrusted: str = ""


def list_cases() -> Iterator[Case]:
    """Every case, the same for both generations; the first source is `old`, the second `new` where two hosts stand."""
    for first, second in (("basic.test", "bearer.test"), ("bearer.test", "basic.test")):
        pair = ((first, "old"), (second, "new"))
        yield Case(name=f"{first} first: sound", sources=pair)
        for kind in ("manifests", "blobs"):
            for name, fault in (STATUSES | BODIES).items():
                yield Case(name=f"{first} first: {kind} {name}", sources=pair, faults={(first, kind): fault})
        yield Case(name=f"{first} first: wrong password", sources=((first, "gone"), (second, "new")))
        yield Case(name=f"{first} first: wrong CA", sources=pair, distrusted=first)
        for pull in PULLS:
            yield Case(name=f"{first} first: pull with {pull}", sources=pair, pull=pull)
            yield Case(
                name=f"{first} first: pull with {pull}, old is revoked", sources=pair, pull=pull, accounts=("new",)
            )
    for host in (*UNREACHABLE, "expired.test", "future.test"):
        yield Case(name=f"{host} first", sources=((host, "old"), ("basic.test", "new")))
    for status in (401, 403, 429, 500):
        refusing = {("bearer.test", "token"): Fault(status=status)}
        sources = (("bearer.test", "old"), ("basic.test", "new"))
        yield Case(name=f"bearer.test first: token {status}", sources=sources, faults=refusing)
    for host in ("basic.test", "bearer.test"):
        yield from _list_twins(host)


def _list_twins(host: str) -> Iterator[Case]:
    for accounts in (("new",), ("old",), ("old", "new")):
        for pull in PULLS:
            name = f"{host} twice (old, new): {' and '.join(accounts)} valid, pull with {pull}"
            yield Case(name=name, sources=((host, "old"), (host, "new")), accounts=accounts, pull=pull)
    for order in ((host, f"{host}:443"), (f"{host}:443", host)):
        name = f"{order[0]} then {order[1]}: new valid"
        yield Case(name=name, sources=((order[0], "old"), (order[1], "new")), accounts=("new",))


def build_nonce_image(case: Case, generation: Generation) -> Image:
    """Build an image that no other case has."""
    layers = [build_layer({f"{part}": File(content=f"{case.name} {generation}".encode())}) for part in ("a", "b")]
    return build_image(layers, Process(entrypoint=("/a",)))


class Scene:
    """Registries and one containerd, for one case after the other."""

    def __init__(self, containerd: Containerd, registries: Mapping[str, PullRegistry]) -> None:
        self.containerd = containerd
        self.registries = registries

    def run(self, case: Case) -> dict[str, object]:
        """Pull and say what was seen."""
        image = build_nonce_image(case, self.containerd.generation)
        for registry in self.registries.values():
            registry.reset()
            registry.add(image)
            registry.accounts = {name: _PASSWORDS[name] for name in case.accounts}
            registry.faults = {kind: fault for (host, kind), fault in case.faults.items() if host == registry.name}
        self._write_hosts(case)
        reference = FIXED_BASE.build_reference(image.manifest.digest)
        patient = self.containerd.generation is Generation.V17 and ("hole.test", "old") in case.sources
        slow = patient or any(fault.hang for fault in case.faults.values())
        limit = HANG if slow else 30.0
        pull = self.containerd.pull(reference, auth=PULLS[case.pull], seconds=limit)
        seen = [request for registry in self.registries.values() for request in registry.requests]
        refused = Counter(f"{each.host} {each.account}" for each in seen if each.status == 401 and each.account)
        return {
            "case": case.name,
            "generation": str(self.containerd.generation),
            "pulled": not pull.error,
            "manifest": sorted({each.host for each in seen if each.kind == "manifests" and each.status == 200}),
            "blobs": sorted({each.host for each in seen if each.kind == "blobs" and each.status == 200}),
            "shown": sorted({f"{each.host} {each.account or '-'}" for each in seen}),
            "refused logins": dict(sorted(refused.items())),
            # The end of our own patience is told now with, now without the address.
            "error names": [] if slow else sorted({host for host, _ in case.sources if host in pull.error}),
        }

    def _write_hosts(self, case: Case) -> None:
        sources = []
        for host, account in case.sources:
            authority = _STRANGER if host == case.distrusted else _AUTHORITY
            login = Credentials(username=account, password=Secret(_PASSWORDS.get(account, "gone-password")))
            endpoint = Endpoint(host=host, path="/deckhouse/ee", ca=authority.pem, credentials=login)
            sources.append(Source(base=FIXED_BASE, endpoint=endpoint))
        folder = build_hosts_folder(sources, folder=FIXED_HOST, dial_timeout="300ms")
        target = self.containerd.hosts / folder.name
        target.mkdir(exist_ok=True)
        for entry in folder.files:
            (target / entry.name).write_text(entry.content)


def record() -> list[dict[str, object]]:
    """Run every case on both generations, one after the other."""
    issued = {"expired.test": _NOW - timedelta(days=366), "future.test": _NOW + timedelta(days=2)}
    names = {"basic.test": "127.0.0.2", "bearer.test": "127.0.0.3", "expired.test": "127.0.0.4"}
    names |= {"future.test": "127.0.0.5", "refused.test": "127.0.0.9", "hole.test": isolated.BLACK_HOLE}
    folder = isolated.enter(names)
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        registries = {}
        for name in ("basic.test", "bearer.test", "expired.test", "future.test"):
            pem, key = issue_certificate(_AUTHORITY, [name], issued.get(name, _NOW))
            (folder / f"{name}.pem").write_text(key.value + pem)
            registry = PullRegistry(name=name, auth=Auth.BEARER if name == "bearer.test" else Auth.BASIC)
            stack.enter_context(serve(registry, names[name], str(folder / f"{name}.pem")))
            registries[name] = registry
        for generation in Generation:
            with run_containerd(generation, folder / generation) as containerd:
                scene = Scene(containerd, registries)
                rows += [scene.run(case) for case in list_cases()]
    return rows


def render(rows: list[dict[str, object]]) -> str:
    """Render the table, a line a row, sorted."""
    lines = sorted(json.dumps(row, ensure_ascii=False) for row in rows)
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    sys.stdout.write(render(record()))
