# SPDX-License-Identifier: Apache-2.0
"""Errors of the hook runner.

RunnerError
├── ConfigError        a hook's --config is not acceptable: the module cannot start
├── ValuesError        values or a values patch are rejected
├── MetricsError       METRICS_PATH is malformed
├── PatchError         KUBERNETES_PATCH_PATH is malformed, or operations failed
├── HookFailed         a hook exited with something else than 0
├── HelmError          helm refused to render or to apply
└── ApiError           the API server answered with a status of 400 and more
    └── KindUnknown    no such kind is served
"""

from __future__ import annotations

from collections.abc import Sequence


class RunnerError(Exception):
    """Anything that makes a task of the runner fail."""


class ConfigError(RunnerError):
    """A hook's configuration is invalid."""


class ValuesError(RunnerError):
    """Values do not fit the schema, or a values patch cannot be applied."""


class MetricsError(RunnerError):
    """A metrics file cannot be read, or an operation of it is not acceptable."""


class PatchError(RunnerError):
    """Kubernetes operations of a hook are malformed or failed."""


class HookFailed(RunnerError):
    """A hook's process failed; the text is its stderr."""


class HelmError(RunnerError):
    """Helm failed; the text is what helm printed."""


class ApiError(RunnerError):
    """The API server refused a request.

    `status` is the HTTP code, `reason` the machine word of the answer (`NotFound`, `AlreadyExists`, ...).
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class KindUnknown(ApiError):
    """The API server does not serve this kind (the CRD may be absent)."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(
            404,
            "KindUnknown",
            f"Cannot get GroupVersionResource info for apiVersion '{api_version}' kind '{kind}'. "
            "Possibly CRD is not created",
        )


def render_errors(messages: Sequence[str]) -> str:
    """Join messages the way the operator prints several errors at once."""
    head = "1 error occurred:" if len(messages) == 1 else f"{len(messages)} errors occurred:"
    return head + "\n" + "".join(f"\t* {message}\n" for message in messages) + "\n"
