# SPDX-License-Identifier: Apache-2.0
"""A pull as the kubelet and containerd carry it out (containerd 1.7 and 2.x, core/remotes/docker/resolver.go).

The kubelet tries every matching entry of the pull secrets, in descending order of their keys, or none where none
matches. For each, containerd asks the sources of the host's folder in order, and sends the entry to all of them;
without an entry a source's own credentials go to it. Every failed request (a refused connection, a certificate, any
status above 399) goes on to the next source. A request that hangs has no time limit of its own: it ends with the pull.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.prove.registries import Answer, Health, Login, answer

FIXED_HOST = "registry.d8-system.svc:5001"
FIXED_PATH = "system/deckhouse"
FIXED = f"{FIXED_HOST}/{FIXED_PATH}"


@dataclass(frozen=True, slots=True)
class Source:
    """One host that containerd asks."""

    scheme: str
    host: str
    login: Login | None = None
    ca: str = ""
    rewrites: tuple[tuple[str, str], ...] = ()

    def rewrite(self, repository: str) -> str:
        """The repository that is asked for; the first rule that fits wins."""
        for pattern, replacement in self.rewrites:
            if re.search(pattern, repository):
                return re.sub(pattern, re.sub(r"\$\{?(\d+)\}?", r"\\\1", replacement), repository, count=1)
        return repository


@dataclass(frozen=True, slots=True)
class Pull:
    """How a pull ended: the last answer, and every (host, repository, login) that was asked on the way."""

    answer: Answer
    asked: tuple[tuple[str, str, Login | None], ...]

    @property
    def ok(self) -> bool:
        """It came."""
        return self.answer is Answer.OK


@cache
def read_folder(host: str, folder: str) -> tuple[Source, ...]:
    """Read a folder of registry.d, given as the JSON of its files or of the platform's own list of mirrors."""
    content = json.loads(folder)
    if "mirrors" in content:
        mirrors = tuple(_read_mirror(mirror) for mirror in content["mirrors"])
        return (*mirrors, Source("https", host))
    files = content["files"]
    document = tomllib.loads(files["hosts.toml"])
    tables = [(url, table) for url, table in document.get("host", {}).items()]
    tables.append((document.get("server", f"https://{host}"), document))
    return tuple(_read_table(url, table, files) for url, table in tables)


def _read_mirror(mirror: dict[str, Any]) -> Source:
    auth = mirror.get("auth") or {}
    rewrites = tuple((rule["from"], rule["to"]) for rule in mirror.get("rewrites", ()))
    login = (auth["username"], auth["password"]) if auth else None
    return Source(mirror["scheme"], mirror["host"], login, mirror.get("ca", ""), rewrites)


def _read_table(url: str, table: dict[str, Any], files: dict[str, str]) -> Source:
    scheme, _, host = url.partition("://")
    auth = table.get("auth") or {}
    # A file that is not there breaks the source: nothing is trusted then.
    ca = "".join(files.get(name, "unreadable") for name in table.get("ca", ()))
    rewrites = tuple((rule["regex"], rule["replace"]) for rule in table.get("rewrite", ()))
    return Source(scheme, host, (auth["username"], auth["password"]) if auth else None, ca, rewrites)


@cache
def pull(sources: tuple[Source, ...], reference: str, docker_config: str, health: Health) -> Pull:
    """Pull an image past the local store, with the entries of a pull secret."""
    host, _, rest = reference.partition("/")
    repository = re.split("[@:]", rest)[0]
    asked: list[tuple[str, str, Login | None]] = []
    last = Answer.REFUSED
    for login in find_logins(docker_config, host, repository):
        for source in sources:
            name, used = source.rewrite(repository), login or source.login
            last = answer(health, source.scheme, source.host, name, used, source.ca)
            asked.append((source.host.removesuffix(":443"), name, used))
            if last in (Answer.OK, Answer.HANG):
                break
        if last is Answer.OK:
            break
    return Pull(last, tuple(asked))


@cache
def find_logins(docker_config: str, host: str, repository: str) -> tuple[Login | None, ...]:
    """The entries that match, in the kubelet's order; a single None where none does."""
    auths = json.loads(docker_config or "{}").get("auths") or {}
    found: list[Login | None] = []
    for key in sorted(auths, reverse=True):
        name, _, path = key.removeprefix("https://").partition("/")
        if name == host and (not path or repository == path or repository.startswith(f"{path}/")):
            entry = auths[key]
            found.append((entry.get("username", ""), entry.get("password", "")) if entry.get("username") else None)
    return tuple(found) or (None,)
