# SPDX-License-Identifier: Apache-2.0
"""Whether a secret shows where none may: logs, events, conditions, annotations."""

from collections.abc import Iterable, Mapping

from box.demo.folders import list_forms


def find_leaks(texts: Mapping[str, str], secrets: Iterable[str]) -> tuple[str, ...]:
    """Names of the texts that hold one of the secrets, plain or in base64; the secret itself is never named."""
    forms = {form for secret in secrets if secret for form in list_forms(secret)}
    return tuple(sorted(name for name, text in texts.items() if any(form in text for form in forms)))
