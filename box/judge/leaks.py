# SPDX-License-Identifier: Apache-2.0
"""Whether a secret shows where none may: logs, events, annotations, values, process arguments."""

import base64
import gzip
import re
from collections.abc import Iterable, Mapping

_SHORTEST = 6
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+([A-Za-z0-9+/=]+)")


def find_leaks(texts: Mapping[str, str], secrets: Iterable[str]) -> tuple[str, ...]:
    """Names of the texts that hold one of the secrets, in any of its forms; the secret itself is never named."""
    forms = {form for secret in secrets if secret for form in list_forms(secret)}
    return tuple(sorted(name for name, text in texts.items() if any(form in text for form in forms)))


def list_forms(secret: str) -> tuple[str, ...]:
    """The texts under which a secret shows: itself, its base64, and what is always seen of it inside longer base64.

    Three bytes become four letters, so a secret within a longer text has one of three forms, less its edges.
    """
    content = secret.encode()
    forms = [secret, base64.b64encode(content).decode()]
    for shift in range(3):
        padded = base64.b64encode(b"\0" * shift + content).decode()
        whole = (shift + len(content)) // 3 * 4
        first = {0: 0, 1: 4, 2: 4}[shift]  # letters that the bytes before share in
        core = padded[first:whole]
        if len(core) >= _SHORTEST:
            forms.append(core)
    return tuple(dict.fromkeys(forms))


def list_key_marks(texts: Iterable[str]) -> tuple[str, ...]:
    """The first line of every private key in texts: enough to recognise the key anywhere."""
    return tuple(sorted({match[1][:64] for text in texts for match in _KEY.finditer(text)}))


def decode_release(data: str) -> str:
    """The content of a Helm release's Secret, given as the API's base64: Helm's own base64, then gzip."""
    return gzip.decompress(base64.b64decode(base64.b64decode(data))).decode(errors="replace")
