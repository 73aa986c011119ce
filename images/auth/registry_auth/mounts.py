# SPDX-License-Identifier: Apache-2.0
"""Read the mounted Secrets.

The kubelet replaces a Secret's files at once, by turning the link `..data` to a new folder. All keys of a Secret are
read through the folder that the link named first, so that they belong together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registry_auth.errors import ConfigurationError
from registry_auth.model import Certificate, Secret, Upstream, Users, parse_upstream, parse_users

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounts:
    """What is mounted now, parsed."""

    upstream: Upstream
    users: Users
    certificate: Certificate


def read_mounts(folder: Path) -> Mounts:
    """Read `upstream/`, `users/` and `tls/` below the folder; raises ConfigurationError."""
    (upstream,) = _read_secret(folder / "upstream", ["upstream.json"])
    (users,) = _read_secret(folder / "users", ["users.json"])
    certificate, key = _read_secret(folder / "tls", ["tls.crt", "tls.key"])
    return Mounts(
        upstream=parse_upstream(upstream),
        users=parse_users(users),
        certificate=Certificate(certificate=certificate, key=Secret(key)),
    )


def _read_secret(folder: Path, names: Sequence[str]) -> list[str]:
    failure: OSError | None = None
    for _ in range(_TRIES):
        try:
            link = folder / "..data"
            current = folder / link.readlink() if link.is_symlink() else folder
            return [(current / name).read_text(encoding="utf-8") for name in names]
        except FileNotFoundError as error:
            # The folder may have been replaced between the two reads: look where the link leads now.
            failure = error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{folder}: cannot be read: {type(error).__name__}") from error
    missing = failure.filename if failure else folder
    raise ConfigurationError(f"{missing} is missing: is the Secret mounted, and does it have this key?") from failure
