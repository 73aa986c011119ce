# SPDX-License-Identifier: Apache-2.0
"""Files that containerd reads on a node, as values."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a hosts folder; `mode` is octal text (`0600`). The text may hold a password: it is not shown."""

    name: str
    mode: str
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsFolder:
    """`registry.d/<name>/`: hosts.toml and the CA files that it names; `name` is `host[:port]` of a base."""

    name: str
    files: tuple[FileEntry, ...]
