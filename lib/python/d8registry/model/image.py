# SPDX-License-Identifier: Apache-2.0
"""Images that the platform needs in a registry."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RequiredImage:
    """One manifest below an endpoint's repository.

    `reference` is `sha256:…` or a tag; `repository` is what follows the endpoint's path (usually empty); `owner` says
    who needs it, for messages (`module prometheus, image grafana`).
    """

    reference: str
    repository: str = ""
    owner: str = ""
