# SPDX-License-Identifier: Apache-2.0
"""TLS contexts that trust what containerd and the platform's Go clients would trust."""

import ssl

from d8registry.errors import InvalidObject


def build_context(ca: str, *, with_system: bool = True) -> ssl.SSLContext:
    """Build a client context for PEM authorities `ca` (may be empty), beside the system's unless told otherwise.

    As in Go, a listed certificate is trusted whether it signed itself or not, and one without the newer extensions
    is not refused. Raises InvalidObject when `ca` is not PEM.
    """
    context = ssl.create_default_context() if with_system else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if ca.strip():
        try:
            context.load_verify_locations(cadata=ca)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidObject(f"`ca` is not a PEM certificate: {error}") from error
    return context
