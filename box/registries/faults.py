# SPDX-License-Identifier: Apache-2.0
"""What a registry can be told to do wrong. Faults add up; each takes effect at once."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from box.errors import BoxError
from box.registries.tls import Certificate

SLOW_BYTES = 32 * 1024
RETRY_SECONDS = 5
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults of one registry.

    `down`: nothing listens. `hangs`: connections are accepted and never answered. `slow`: bytes a second of every
    body, 0 for no limit. `status`: every request is answered with it; `retry_after` seconds go with 429. `missing` and
    `corrupt` are digests of blobs that are said to be absent, or that come with other bytes; `any` stands for every
    blob.
    """

    down: bool = False
    hangs: bool = False
    slow: int = 0
    status: int = 0
    retry_after: int = RETRY_SECONDS
    certificate: Certificate = Certificate.GOOD
    missing: tuple[str, ...] = ()
    corrupt: tuple[str, ...] = ()

    def hides(self, digest: str) -> bool:
        """Whether a blob is said to be absent."""
        return digest in self.missing or _ANY in self.missing

    def corrupts(self, digest: str) -> bool:
        """Whether a blob comes with other bytes."""
        return digest in self.corrupt or _ANY in self.corrupt

    def describe(self) -> tuple[str, ...]:
        """The faults that are set, in the words that set them."""
        words = ["down"] if self.down else []
        words += ["hang"] if self.hangs else []
        words += [f"slow={self.slow}"] if self.slow else []
        if self.status:
            words.append(f"429={self.retry_after}" if self.status == 429 else str(self.status))
        words += [word for word, kind in _CERTIFICATES.items() if kind is self.certificate]
        words += [f"layer-missing={one}" for one in self.missing]
        words += [f"wrong-bytes={one}" for one in self.corrupt]
        return tuple(words)


_CERTIFICATES = {
    "wrong-ca": Certificate.FOREIGN,
    "expired": Certificate.EXPIRED,
    "not-yet-valid": Certificate.EARLY,
}
_STATUSES = {"401": 401, "403": 403, "5xx": 503, "500": 500, "502": 502, "503": 503, "504": 504}

WORDS: Mapping[str, str] = {
    "down": "nothing listens: connections are refused",
    "hang": "connections are accepted and never answered",
    "slow[=BYTES]": f"bodies come with so many bytes a second, {SLOW_BYTES} unless given",
    "401 403 5xx 500 502 503 504": "every request is answered with this status (5xx: 503)",
    "429[=SECONDS]": f"the same with Retry-After, {RETRY_SECONDS} unless given",
    "wrong-ca": "the certificate is signed by somebody else",
    "expired": "the certificate ended yesterday",
    "not-yet-valid": "the certificate begins tomorrow: what a client with a slow clock sees",
    "layer-missing[=DIGEST]": "this blob, or every one, is answered with 404",
    "wrong-bytes[=DIGEST]": "this blob, or every one, comes with a wrong byte",
}
"""What the command line takes, for its help; `password` and `clear` are no faults of the front."""


def add_fault(faults: Faults, word: str) -> Faults:
    """Add one fault, given as a word of WORDS; raises BoxError that lists them."""
    name, _, value = word.partition("=")
    if name in _CERTIFICATES and not value:
        return replace(faults, certificate=_CERTIFICATES[name])
    if name in _STATUSES and not value:
        return replace(faults, status=_STATUSES[name])
    add = _WITH_VALUE.get(name)
    if add is None or (value and name in ("down", "hang")):
        known = "\n".join(f"  {each:<28}{about}" for each, about in WORDS.items())
        raise BoxError(f"there is no fault {word}; faults are:\n{known}")
    return add(faults, value)


def parse_faults(words: Iterable[str], present: Faults | None = None) -> Faults:
    """Add words to the present faults, none unless given."""
    faults = present or Faults()
    for word in words:
        faults = add_fault(faults, word)
    return faults


def build_document(faults: Faults) -> dict[str, Any]:
    """The faults as JSON carries them."""
    return asdict(faults)


def read_document(document: Mapping[str, Any]) -> Faults:
    """Read what build_document made."""
    return Faults(
        **{
            **document,
            "certificate": Certificate(document["certificate"]),
            "missing": tuple(document["missing"]),
            "corrupt": tuple(document["corrupt"]),
        }
    )


def _read_number(word: str, value: str, usual: int) -> int:
    if not value:
        return usual
    if not value.isdecimal() or int(value) < 1:
        raise BoxError(f"{word}={value}: a whole number above 0 is wanted")
    return int(value)


def _read_digest(word: str, value: str) -> str:
    if value and value != _ANY and not _DIGEST.match(value):
        raise BoxError(f"{word}={value}: a digest (sha256:…) or nothing, for every blob, is wanted")
    return value or _ANY


def _add_slow(faults: Faults, value: str) -> Faults:
    return replace(faults, slow=_read_number("slow", value, SLOW_BYTES))


def _add_limit(faults: Faults, value: str) -> Faults:
    return replace(faults, status=429, retry_after=_read_number("429", value, RETRY_SECONDS))


def _add_missing(faults: Faults, value: str) -> Faults:
    return replace(faults, missing=(*faults.missing, _read_digest("layer-missing", value)))


def _add_corrupt(faults: Faults, value: str) -> Faults:
    return replace(faults, corrupt=(*faults.corrupt, _read_digest("wrong-bytes", value)))


_WITH_VALUE: Mapping[str, Callable[[Faults, str], Faults]] = {
    "down": lambda faults, _: replace(faults, down=True),
    "hang": lambda faults, _: replace(faults, hangs=True),
    "slow": _add_slow,
    "429": _add_limit,
    "layer-missing": _add_missing,
    "wrong-bytes": _add_corrupt,
}
