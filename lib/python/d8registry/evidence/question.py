# SPDX-License-Identifier: Apache-2.0
"""Secret registry-questions, key `evidence`: what reconcile wants looked for."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from d8registry.errors import InvalidObject

KEY = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceQuestion:
    """What still uses the old address?

    `old_base` is `host/path`, `real_host` the old registry's `host[:port]`; `namespaces` are the ones whose pull-secret
    copies must follow, empty for every `d8-*`. `in_use_base`: list every image below it, because the new registry may
    lack some. An empty base or host is not looked for.
    """

    key: str
    old_base: str
    real_host: str
    namespaces: tuple[str, ...] = ()
    in_use_base: str = ""


def build_evidence_question(
    old_base: str, real_host: str, namespaces: Iterable[str] = (), nonce: str = "", in_use_base: str = ""
) -> EvidenceQuestion:
    """Ask for evidence; another `nonce` asks for fresh evidence, whatever was collected before."""
    ordered = tuple(sorted(namespaces))
    digest = hashlib.sha256(json.dumps([old_base, real_host, ordered, nonce, in_use_base]).encode()).hexdigest()
    return EvidenceQuestion(
        key=f"evidence:{digest[:16]}",
        old_base=old_base,
        real_host=real_host,
        namespaces=ordered,
        in_use_base=in_use_base,
    )


def render_question(question: EvidenceQuestion | None) -> str:
    """Build the JSON text of key `evidence`; None asks nothing."""
    if question is None:
        return "null"
    item = {
        "key": question.key,
        "oldBase": question.old_base,
        "realHost": question.real_host,
        "namespaces": list(question.namespaces),
        "inUseBase": question.in_use_base,
    }
    return json.dumps(item, separators=(",", ":"))


def parse_question(text: str) -> EvidenceQuestion | None:
    """Read key `evidence`; None where nothing is asked. Raises InvalidObject."""
    try:
        item = json.loads(text or "null")
        if item is None:
            return None
        return EvidenceQuestion(
            key=item["key"],
            old_base=item["oldBase"],
            real_host=item["realHost"],
            namespaces=tuple(item["namespaces"]),
            in_use_base=item["inUseBase"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidObject(
            f"Secret d8-system/registry-questions: key {KEY} is not what this release writes ({type(error).__name__}); "
            "delete the Secret, it is written again: kubectl -n d8-system delete secret registry-questions"
        ) from error
