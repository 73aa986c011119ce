# SPDX-License-Identifier: Apache-2.0
"""Read one folder of registry.d, as this module wrote it, back to its sources: what a lost state is rebuilt from."""

import tomllib
from collections.abc import Mapping
from typing import Any

from d8registry.errors import InvalidObject
from d8registry.model.endpoint import Credentials, Endpoint, Scheme
from d8registry.model.hosts import HostsFolder
from d8registry.model.secret import Secret

_DEFAULT_PORTS = {Scheme.HTTPS: ":443", Scheme.HTTP: ":80"}


def read_hosts_folder(folder: HostsFolder, *, base_path: str) -> tuple[Endpoint, ...]:
    """Read the endpoints in the order in which containerd tries them.

    `base_path` is the path of the base that the folder answers, and so of an endpoint without a rewrite. Raises
    InvalidObject for a text that this module did not write; the text may hold a password and is not quoted.
    """
    files = {entry.name: entry.content for entry in folder.files}
    try:
        body = tomllib.loads(files["hosts.toml"])
        tables = [*(body.get("host") or {}).items(), (body["server"], body)]
        endpoints = [_read_endpoint(url, table, files, base_path) for url, table in tables]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InvalidObject(f"hosts folder {folder.name} cannot be read back ({type(error).__name__})") from None
    return tuple(_name_plainly(endpoint, {other.host for other in endpoints}) for endpoint in endpoints)


def _read_endpoint(url: str, table: Mapping[str, Any], files: Mapping[str, str], base_path: str) -> Endpoint:
    scheme, _, host = url.partition("://")
    login = table.get("auth") or {}
    rewrites = table.get("rewrite") or []
    authorities = table.get("ca") or []
    return Endpoint(
        host=host,
        path=f"/{rewrites[0]['replace']}" if rewrites else base_path,
        scheme=Scheme(scheme),
        ca=files[authorities[0]] if authorities else "",
        credentials=Credentials(username=login.get("username", ""), password=Secret(login.get("password", ""))),
    )


def _name_plainly(endpoint: Endpoint, hosts: set[str]) -> Endpoint:
    """Take the default port away from the second of two that name one host: it only tells their keys apart."""
    plain = endpoint.host.removesuffix(_DEFAULT_PORTS[endpoint.scheme])
    if plain == endpoint.host or plain not in hosts:
        return endpoint
    return Endpoint(
        host=plain, path=endpoint.path, scheme=endpoint.scheme, ca=endpoint.ca, credentials=endpoint.credentials
    )
