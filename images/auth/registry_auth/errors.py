# SPDX-License-Identifier: Apache-2.0
"""What can go wrong.

Exception
+-- ConfigurationError   a mounted Secret is missing, unreadable or breaks its format
+-- UpstreamFault        the upstream, or its token server, did not give what a request needs
"""

from enum import StrEnum


class ConfigurationError(Exception):
    """A mounted Secret cannot be used; the message names file and field, never a value."""


class FaultClass(StrEnum):
    """How an upstream's fault is told to clients."""

    DENIED = "denied"  # it refuses our credentials
    UNTRUSTED = "untrusted"  # its certificate, or where it sends our credentials
    RATE_LIMITED = "rate-limited"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


class UpstreamFault(Exception):
    """A fault of the upstream; the message is fit for clients and logs. `retry_after` is in seconds, 0 if unknown."""

    def __init__(self, kind: FaultClass, message: str, retry_after: int = 0) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after = retry_after
