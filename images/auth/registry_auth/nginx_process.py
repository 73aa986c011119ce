# SPDX-License-Identifier: Apache-2.0
"""The running nginx: its files in the shared folder, its reload, and which configuration its workers have."""

import http.client
import json
import os
import signal
import ssl
from dataclasses import dataclass
from pathlib import Path

from registry_auth.errors import ConfigurationError

_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What a worker of nginx answers about itself."""

    upstream_generation: str
    configuration: str


class NginxProcess:
    """nginx in the neighbouring container, which shares the process namespace, the network and `state`."""

    def __init__(self, state: Path, generation_port: int) -> None:
        self.state = state
        self._generation_port = generation_port

    def write_file(self, name: str, content: str) -> Path:
        """Put a file, readable by our user alone, in place by rename; nothing is written when it is the same."""
        path = self.state / name
        if self.read_file(name) == content:
            return path
        temporary = self.state / f".{name}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        temporary.rename(path)
        return path

    def read_file(self, name: str) -> str | None:
        """Return a file of the shared folder, None if there is none."""
        try:
            return (self.state / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def remove_files_but(self, kept: set[str], prefixes: tuple[str, ...]) -> None:
        """Remove files with one of the prefixes that are not among those to keep."""
        for path in self.state.iterdir():
            if path.name.startswith(prefixes) and path.name not in kept:
                path.unlink(missing_ok=True)

    def fetch_running(self) -> Running | None:
        """Ask a worker which configuration it has; None if nginx does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._generation_port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/generation")
            content = json.loads(connection.getresponse().read())
            return Running(upstream_generation=content["upstreamGeneration"], configuration=content["configuration"])
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return None
        finally:
            connection.close()

    def reload(self) -> bool:
        """Make nginx load its configuration; its present workers finish what they carry. False if there is no nginx."""
        master = self._master()
        if master is None:
            return False
        try:
            os.kill(master, signal.SIGHUP)
        except ProcessLookupError:
            return False
        return True

    def is_alive(self) -> bool:
        """Say whether a master process of nginx is there."""
        return self._master() is not None

    def _master(self) -> int | None:
        """Return the pid of nginx's master. A pid file outlives a killed nginx, so the process is looked at as well."""
        try:
            pid = int((self.state / "nginx.pid").read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if command.startswith(b"nginx: master process") else None


def check_certificate(certificate: Path, key: Path) -> None:
    """Raise ConfigurationError if nginx could not serve with these files."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError("tls: tls.crt and tls.key are not a certificate and its key") from error


def check_ca(text: str) -> None:
    """Raise ConfigurationError if the upstream's CA is not PEM."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError("upstream.json: ca holds no PEM certificate") from error
