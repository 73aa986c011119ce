# SPDX-License-Identifier: Apache-2.0
"""Ask the upstream for its challenge, and token servers for tokens."""

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from registry_auth.challenge import Challenge, parse_challenges
from registry_auth.errors import FaultClass, UpstreamFault
from registry_auth.model import Upstream
from registry_auth.tokens import Token

_TIMEOUT_SECONDS = 10.0
_LONGEST_ANSWER = 1024 * 1024
_DEFAULT_LIFETIME = 60.0  # what the token specification says where a server says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def retry_after(self) -> int:
        text = self.headers.get("Retry-After", "")
        return int(text) if text.isascii() and text.isdigit() else 0


class HttpUpstreamClient:
    """The network side of tokens.UpstreamClient; trusts the system's certificates and the upstream's own CA."""

    def __init__(self, system_certificates: Path) -> None:
        self._system_certificates = system_certificates

    def fetch_challenges(self, upstream: Upstream) -> tuple[Challenge, ...]:
        """Ask GET /v2/ without credentials."""
        answer = self._get(upstream, f"{upstream.scheme}://{upstream.host}/v2/", "", f"registry {upstream.host}")
        if answer.status == 429 or answer.status >= 500:
            raise _fault(answer, f"the upstream registry {upstream.host}")
        if answer.status != 401:
            return ()
        return parse_challenges(answer.headers.get_all("WWW-Authenticate") or [])

    def fetch_token(self, upstream: Upstream, url: str, authorization: str) -> Token:
        """Ask a token server by GET, as the distribution project's token specification has it."""
        named = f"the token server {urlsplit(url).hostname} of the upstream registry {upstream.host}"
        answer = self._get(upstream, url, authorization, named)
        if answer.status != 200:
            raise _fault(answer, named)
        try:
            content = json.loads(answer.body)
            value = content.get("token") or content.get("access_token")
            lifetime = float(content.get("expires_in") or _DEFAULT_LIFETIME)
        except (ValueError, TypeError, AttributeError):
            value, lifetime = None, 0.0
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
            raise UpstreamFault(FaultClass.UNAVAILABLE, f"{named} answers without a token")
        return Token(value=value, lifetime=lifetime)

    def _get(self, upstream: Upstream, url: str, authorization: str, named: str) -> _Answer:
        """Ask once, without following redirects; raises UpstreamFault where there is no answer."""
        split = urlsplit(url)
        host = split.hostname or ""
        headers = {"Accept": "application/json", "User-Agent": "registry-incluster-proxy"}
        if authorization:
            headers["Authorization"] = authorization
        connection: http.client.HTTPConnection
        if split.scheme == "https":
            context = self._context(upstream)
            connection = http.client.HTTPSConnection(host, split.port, timeout=_TIMEOUT_SECONDS, context=context)
        else:
            connection = http.client.HTTPConnection(host, split.port, timeout=_TIMEOUT_SECONDS)
        target = (split.path or "/") + (f"?{split.query}" if split.query else "")
        try:
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
            return _Answer(status=response.status, headers=response.headers, body=response.read(_LONGEST_ANSWER))
        except ssl.SSLCertVerificationError as error:
            raise UpstreamFault(
                FaultClass.UNTRUSTED, f"the certificate of {named} is not trusted: {error.verify_message}"
            ) from error
        except TimeoutError as error:
            raise UpstreamFault(FaultClass.TIMEOUT, f"{named} does not answer in time") from error
        except socket.gaierror as error:
            raise UpstreamFault(FaultClass.UNAVAILABLE, f"{named} cannot be resolved") from error
        except (OSError, http.client.HTTPException) as error:
            raise UpstreamFault(
                FaultClass.UNAVAILABLE, f"{named} cannot be reached ({type(error).__name__})"
            ) from error
        finally:
            connection.close()

    def _context(self, upstream: Upstream) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._system_certificates.exists():
            context.load_verify_locations(cafile=str(self._system_certificates))
        if upstream.ca:
            context.load_verify_locations(cadata=upstream.ca)
        return context


def _fault(answer: _Answer, named: str) -> UpstreamFault:
    if answer.status in {401, 403}:
        return UpstreamFault(FaultClass.DENIED, f"{named} refuses our credentials ({answer.status})")
    if answer.status == 429:
        return UpstreamFault(FaultClass.RATE_LIMITED, f"{named} limits our requests", answer.retry_after())
    return UpstreamFault(FaultClass.UNAVAILABLE, f"{named} answers {answer.status}", answer.retry_after())
