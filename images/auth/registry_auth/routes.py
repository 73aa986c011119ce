# SPDX-License-Identifier: Apache-2.0
"""Which requests the proxy answers, and what they are called at the upstream.

Read-only: the version check, and manifests, blobs, tags and referrers below the fixed path, in the repository itself
or in one below it. The grammar is that of the OCI distribution specification.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from registry_auth.oci import Code, Reply, build_error

FIXED_REPOSITORY = "system/deckhouse"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_SUBPATH = rf"(?P<subpath>(?:/{_COMPONENT})*)"
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_KINDS = r"(?:manifests/(?P<manifest>[^/]+)|blobs/(?P<blob>[^/]+)|referrers/(?P<referrers>[^/]+)|tags/(?P<tags>list))"
_REQUEST = re.compile(rf"/v2/{FIXED_REPOSITORY}{_SUBPATH}/{_KINDS}")
# containerd adds `ns`, which means nothing to the upstream; what is not listed here is not handed on.
_PARAMETERS = ("n", "last", "artifactType")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionCheck:
    """GET /v2/: does anybody speak the API here?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A request as the upstream is asked it."""

    path: str  # escaped, with the query
    repository: str  # at the upstream; the scope of a token


def parse_route(method: str, uri: str, upstream_repository: str) -> Route | VersionCheck | Reply:
    """Return where a request goes, or the error that answers it; `uri` is as the client wrote it."""
    if method not in {"GET", "HEAD"}:
        return build_error(405, Code.UNSUPPORTED, f"{method} is not supported: this registry is read-only", _ALLOW)
    split = urlsplit(uri)
    path = unquote(split.path)
    if path in {"/v2", "/v2/"}:
        return VersionCheck()
    if path == "/v2/_catalog":
        return build_error(405, Code.UNSUPPORTED, "the catalog is not supported")
    if not path.startswith("/v2/"):
        return build_error(404, Code.UNSUPPORTED, "only the distribution API below /v2/ is served")
    match = _REQUEST.fullmatch(path)
    if match is None:
        return _unmatched(path)
    for digest in (match["blob"], match["referrers"]):
        if digest is not None and not _DIGEST.fullmatch(digest):
            return build_error(400, Code.DIGEST_INVALID, "the digest is malformed")
    manifest = match["manifest"]
    if manifest is not None and not _TAG.fullmatch(manifest) and not _DIGEST.fullmatch(manifest):
        return build_error(404, Code.MANIFEST_UNKNOWN, "the reference is neither a tag nor a digest")
    repository = upstream_repository + match["subpath"]
    tail = path[match.end("subpath") :]
    query = urlencode([(key, value) for key, value in parse_qsl(split.query) if key in _PARAMETERS])
    return Route(path=f"/v2/{repository}{tail}" + (f"?{query}" if query else ""), repository=repository)


_ALLOW = (("Allow", "GET, HEAD"),)


def _unmatched(path: str) -> Reply:
    if path.startswith(f"/v2/{FIXED_REPOSITORY}/"):
        if "/blobs/uploads" in path:
            return build_error(405, Code.UNSUPPORTED, "uploads are not supported: this registry is read-only", _ALLOW)
        return build_error(404, Code.NAME_INVALID, "neither manifests, blobs, tags nor referrers of a valid name")
    return build_error(404, Code.NAME_UNKNOWN, f"this registry serves {FIXED_REPOSITORY} only")
