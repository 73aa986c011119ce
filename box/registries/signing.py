# SPDX-License-Identifier: Apache-2.0
"""URLs of an object store that carry their own permission, as S3 and its like have them. Pure."""

import hashlib
import hmac
from urllib.parse import parse_qs, urlencode, urlsplit

LIFE_SECONDS = 60


def build_signed_url(host: str, digest: str, key: bytes, now: int) -> str:
    """A URL for one blob, good for LIFE_SECONDS from `now` (Unix time)."""
    expires = now + LIFE_SECONDS
    query = urlencode({"expires": expires, "signature": _sign(digest, expires, key)})
    return f"https://{host}/blob/{digest}?{query}"


def check_signed_url(url: str, key: bytes, now: int, *, authorization: str) -> tuple[str, str]:
    """Return the digest and why it may not be had; the reason is empty when it may.

    A request that shows a second way to log in is refused, as S3 refuses it.
    """
    split = urlsplit(url)
    digest = split.path.removeprefix("/blob/")
    query = parse_qs(split.query)
    expires, signature = query.get("expires", [""])[0], query.get("signature", [""])[0]
    if authorization:
        return digest, "only one way to log in is allowed: the URL is signed and there is an Authorization header"
    if not expires.isdecimal() or not hmac.compare_digest(signature, _sign(digest, int(expires), key)):
        return digest, "the signature is wrong"
    if int(expires) < now:
        return digest, "the URL has expired"
    return digest, ""


def _sign(digest: str, expires: int, key: bytes) -> str:
    return hmac.new(key, f"{digest}\n{expires}".encode(), hashlib.sha256).hexdigest()
