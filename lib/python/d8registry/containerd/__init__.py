# SPDX-License-Identifier: Apache-2.0
"""The text that containerd reads: hosts.toml for a list of sources.

containerd looks for `registry.d/<host of the image reference>/hosts.toml` at each pull, so a change needs no restart.
Its `[host]` tables are tried in the order of the file and the top level (`server`) last; without `server` it would
fall back to the image's own host and report that host's error. `auth` and `rewrite` are known to the platform's build.
"""

from d8registry.containerd.hosts import DEFAULT_DIAL_TIMEOUT, build_hosts_folder, render_hosts_toml

__all__ = ["DEFAULT_DIAL_TIMEOUT", "build_hosts_folder", "render_hosts_toml"]
