# SPDX-License-Identifier: Apache-2.0
"""What became of one request to a registry, and what a person does about it."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The classes of answers; NOT_READY is a proxy pod that does not serve the wanted generation yet."""

    OK = "ok"
    MISSING = "missing"
    DENIED = "denied"
    UNAUTHENTICATED = "unauthenticated"
    UNTRUSTED = "untrusted"
    CLOCK = "clock"
    UNRESOLVED = "unresolved"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate-limited"
    SERVER_ERROR = "server-error"
    CORRUPT = "corrupt"
    NOT_READY = "not-ready"


REMEDIES = {
    Outcome.MISSING: "push the missing images, or correct imagesRepo",
    Outcome.DENIED: "let the user read this repository, or correct imagesRepo",
    Outcome.UNAUTHENTICATED: "correct username and password, or license; it is not asked again before they change",
    Outcome.UNTRUSTED: "set `ca` to the authority of the registry's certificate, or correct scheme and host",
    Outcome.CLOCK: "renew the registry's certificate, or set the clock of this node right",
    Outcome.UNRESOLVED: "correct the host in imagesRepo, or the cluster's DNS",
    Outcome.REFUSED: "see whether the registry runs and a firewall lets the masters reach it",
    Outcome.TIMEOUT: "see whether the registry is overloaded, or a firewall drops its packets",
    Outcome.RATE_LIMITED: "wait, or raise the registry's rate limit",
    Outcome.SERVER_ERROR: "see the registry's own log",
    Outcome.CORRUPT: "push the image again: what the registry serves is not what was asked for",
    Outcome.NOT_READY: "see kubectl -n d8-system logs -l app=registry-incluster-proxy --all-containers",
}

# These say nothing about one image: the registry as a whole cannot be asked.
OF_REGISTRY = frozenset(
    {
        Outcome.UNAUTHENTICATED,
        Outcome.UNTRUSTED,
        Outcome.CLOCK,
        Outcome.UNRESOLVED,
        Outcome.REFUSED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one request ended with; `message` is the cause in words, never a secret; `retry_after` in seconds."""

    outcome: Outcome
    message: str = ""
    retry_after: float = 0.0


def classify_status(status: int, *, authenticated: bool) -> Outcome:
    """Class an HTTP status of the distribution API; `authenticated`: credentials were accepted before."""
    if status == 200:
        return Outcome.OK
    if status == 401:
        return Outcome.DENIED if authenticated else Outcome.UNAUTHENTICATED
    if status == 403:
        return Outcome.DENIED
    if status in (404, 410):
        return Outcome.MISSING
    if status == 429:
        return Outcome.RATE_LIMITED
    return Outcome.SERVER_ERROR
