# SPDX-License-Identifier: Apache-2.0
"""Render one folder of containerd's registry.d from an ordered list of sources."""

import hashlib
from collections.abc import Sequence

import tomli_w

from d8registry.errors import InvalidObject
from d8registry.model.endpoint import FIXED_HOST, Endpoint, Scheme, Source
from d8registry.model.hosts import FileEntry, HostsFolder

# For a source near by; a node that measured 100 ms or more for a connection writes a second instead.
DEFAULT_DIAL_TIMEOUT = "300ms"
_DEFAULT_PORTS = {Scheme.HTTPS: "443", Scheme.HTTP: "80"}


def build_hosts_folder(
    sources: Sequence[Source], *, folder: str, dial_timeout: str = DEFAULT_DIAL_TIMEOUT
) -> HostsFolder:
    """Build `folder` (the host of a base) so that containerd tries `sources` in their order.

    `hosts.toml` names CA files relative to itself, as containerd reads them, so the same text works live and staged.
    `dial_timeout` is a Go duration. Raises InvalidObject for no source at all, for a real host's folder that names
    another host, and where one (scheme, host) stands so often that TOML has no distinct key left for it.
    """
    _refuse_wrong_sources(sources, folder)
    authorities = [
        FileEntry(name=_name_ca(source.endpoint.ca), mode="0644", content=_normalise_pem(source.endpoint.ca))
        for source in sources
        if _has_ca(source.endpoint)
    ]
    unique = {entry.name: entry for entry in authorities}
    hosts_toml = FileEntry(name="hosts.toml", mode="0600", content=render_hosts_toml(sources, dial_timeout))
    return HostsFolder(name=folder, files=(hosts_toml, *(unique[name] for name in sorted(unique))))


def render_hosts_toml(sources: Sequence[Source], dial_timeout: str = DEFAULT_DIAL_TIMEOUT) -> str:
    """Render hosts.toml: every source but the last as a `[host]` table, the last one at the top level."""
    *first, last = sources
    server = _render_url(last.endpoint)
    blocks = [_render_source("", last, {"server": server})]
    taken: set[str] = set()
    for source in first:
        url = _choose_url(source.endpoint, taken)
        taken.add(url)
        # A source with another behind it must not hold a pull for containerd's own 30 s a request.
        table = f"host.{_quote(url)}"
        blocks.append(f"[{table}]\n" + _render_source(f"{table}.", source, {"dial_timeout": dial_timeout}))
    return "\n".join(blocks)


def _render_source(prefix: str, source: Source, extra: dict[str, str]) -> str:
    endpoint = source.endpoint
    scalars: dict[str, object] = dict(extra)
    scalars["capabilities"] = ["pull", "resolve"]
    if _has_ca(endpoint):
        scalars["ca"] = [_name_ca(endpoint.ca)]
    text = tomli_w.dumps(scalars)
    if endpoint.credentials:
        login = {"username": endpoint.credentials.username, "password": endpoint.credentials.password.value}
        text += f"\n[{prefix}auth]\n" + tomli_w.dumps(login)
    if source.rewrite is not None:
        regex, replace = source.rewrite
        # The table form [[…]] by hand: tomli_w would write a short one inline, which the 1.7 parser was not tried on.
        text += f"\n[[{prefix}rewrite]]\n" + tomli_w.dumps({"regex": regex, "replace": replace})
    return text


def _refuse_wrong_sources(sources: Sequence[Source], folder: str) -> None:
    if not sources:
        raise InvalidObject(f"hosts folder {folder}: it needs at least one source")
    if folder == FIXED_HOST:
        return
    for source in sources:
        if source.endpoint.host != folder:
            # Users pull their own images from a real host: their requests must not reach another registry.
            raise InvalidObject(f"hosts folder {folder}: it may list that host only, not {source.endpoint.host}")


def _choose_url(endpoint: Endpoint, taken: set[str]) -> str:
    """Return a key for this endpoint that TOML does not have yet: `https://h`, else `https://h:443`."""
    url = _render_url(endpoint)
    if url not in taken:
        return url
    explicit = f"{url}:{_DEFAULT_PORTS[endpoint.scheme]}"
    if ":" in endpoint.host or explicit in taken:
        raise InvalidObject(f"{url} stands too often in one list of sources: containerd has no further key for it")
    return explicit


def _render_url(endpoint: Endpoint) -> str:
    return f"{endpoint.scheme.value}://{endpoint.host}"


def _has_ca(endpoint: Endpoint) -> bool:
    # A CA beside plain http makes containerd try https first.
    return bool(endpoint.ca.strip()) and endpoint.scheme is Scheme.HTTPS


def _normalise_pem(ca: str) -> str:
    return ca.replace("\r\n", "\n").strip() + "\n"


def _name_ca(ca: str) -> str:
    return f"ca-{hashlib.sha256(_normalise_pem(ca).encode()).hexdigest()[:12]}.crt"


def _quote(text: str) -> str:
    """Quote `text` as a TOML basic string, which is also a quoted key."""
    return tomli_w.dumps({"k": text}).removeprefix("k = ").rstrip("\n")
