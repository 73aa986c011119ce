# SPDX-License-Identifier: Apache-2.0
"""Who may ask: the logins of `users.json`, and nobody in particular where the upstream is open to all."""

import base64
import binascii
import hashlib
import hmac

from registry_auth.model import Users


def is_accepted(authorization: str, users: Users) -> bool:
    """Say whether a request with this Authorization header (empty: none) may be answered.

    A wrong login is refused even where anonymous clients are welcome. Every user is compared, in constant time, so
    that neither names nor passwords can be guessed by the clock.
    """
    if not authorization:
        return users.anonymous
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    accepted = False
    for user in users.users:
        accepted |= hmac.compare_digest(_hash(given), _hash(f"{user.username}:{user.password.value}".encode()))
    return accepted


def build_basic(username: str, password: str) -> str:
    """Return the Authorization header of a login."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def _hash(login: bytes) -> bytes:
    """Make logins equally long, so that comparing them does not tell how long the right one is."""
    return hashlib.sha256(login).digest()
