# SPDX-License-Identifier: Apache-2.0
"""Bring nginx to what is mounted, again and again, and say how far it is.

Level-triggered: each tick reads the Secrets, renders nginx.conf, writes it when it differs, and reloads nginx when
its workers run another one. A Secret that cannot be used changes nothing: what serves goes on serving.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from registry_auth.addresses import AddressBook
from registry_auth.errors import ConfigurationError
from registry_auth.model import Upstream, Users
from registry_auth.mounts import Mounts, read_mounts
from registry_auth.nginx_config import Files, NginxConfig, Place, render_nginx_config
from registry_auth.nginx_process import NginxProcess, Running, check_ca, check_certificate
from registry_auth.tokens import UpstreamAuthorizer, UpstreamClient

RELOAD_AGAIN_SECONDS = 5.0
# Old workers may accept for a moment beside the new ones (nginx tells them to stop 100 ms later), so a new
# configuration counts when every one of this many answers, spread over more than that, came from it.
CONFIRMATIONS = 8
CONFIRMATION_PAUSE_SECONDS = 0.05
LIVE_SECONDS = 60.0
_KEPT_UPSTREAMS = 3
_FILE_PREFIXES = ("tls-", "trusted-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What GET /status answers; empty generations are not known yet."""

    upstream_generation: str = ""
    users_generation: str = ""
    nginx_generation: str = ""
    ready: bool = False  # nginx runs exactly what is mounted
    message: str = "starting"

    def to_wire(self) -> dict[str, object]:
        """Return the JSON object."""
        return {
            "upstreamGeneration": self.upstream_generation,
            "usersGeneration": self.users_generation,
            "nginxGeneration": self.nginx_generation,
            "ready": self.ready,
            "message": self.message,
        }


class Controller:
    """Holds what the servers ask for: users, authorizers by upstream, the status."""

    def __init__(
        self,
        *,
        folder: Path,
        system_certificates: Path,
        place: Place,
        nginx: NginxProcess,
        addresses: AddressBook,
        client: UpstreamClient,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        log: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._system_certificates = system_certificates
        self._place = place
        self._nginx = nginx
        self._addresses = addresses
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._log = log
        self._lock = threading.Lock()
        self._authorizers: dict[str, UpstreamAuthorizer] = {}
        self._confirmed = ""
        self._reloaded = ("", 0.0)  # for which configuration nginx was told to reload, and when
        self.users: Users | None = None
        self.status = Status()
        self.serving = False  # nginx answers, and ran what was mounted at least once
        self.ticked = clock()

    def authorizer(self, identity: str) -> UpstreamAuthorizer | None:
        """Return the authorizer of the upstream that a worker of nginx asks for: old workers have the old one."""
        with self._lock:
            return self._authorizers.get(identity)

    def is_alive(self) -> bool:
        """Say whether ticks go on."""
        return self._clock() - self.ticked < LIVE_SECONDS

    def tick(self) -> None:
        """Do once what is to be done; never raises for what users or the network can cause."""
        status = self._step()
        if status != self.status:
            self._log(f"ready={str(status.ready).lower()} {status.message}".strip())
        self.status = status
        self.serving = status.ready or (self.serving and bool(status.nginx_generation))
        self.ticked = self._clock()

    def _step(self) -> Status:
        running = self._nginx.fetch_running()
        status = replace(self.status, ready=False, nginx_generation=running.upstream_generation if running else "")
        try:
            mounts = read_mounts(self._folder)
            self._take_over(mounts)
            status = replace(
                status,
                upstream_generation=mounts.upstream.generation,
                users_generation=mounts.users.generation,
            )
            addresses = self._addresses.look_up(mounts.upstream.hostname, mounts.upstream.port)
            if not addresses:
                return replace(status, message=f"the upstream's name {mounts.upstream.hostname} cannot be resolved")
            config = self._write(mounts, addresses)
        except ConfigurationError as error:
            return replace(status, message=str(error))
        return self._converge(status, config, running)

    def _take_over(self, mounts: Mounts) -> None:
        self.users = mounts.users
        identity = mounts.upstream.identity
        with self._lock:
            known = self._authorizers.pop(identity, None)
            if known is None or known.upstream != mounts.upstream:
                known = UpstreamAuthorizer(mounts.upstream, self._client, self._clock)
            self._authorizers[identity] = known  # the newest last
            while len(self._authorizers) > _KEPT_UPSTREAMS:
                del self._authorizers[next(iter(self._authorizers))]

    def _write(self, mounts: Mounts, addresses: tuple[str, ...]) -> NginxConfig:
        """Write what nginx reads, the configuration last."""
        certificate = mounts.certificate
        named = hashlib.sha256(f"{certificate.certificate}\0{certificate.key.value}".encode()).hexdigest()[:16]
        served = self._nginx.write_file(f"tls-{named}.crt", certificate.certificate)
        key = self._nginx.write_file(f"tls-{named}.key", certificate.key.value)
        check_certificate(served, key)
        trusted = self._nginx.write_file(*self._trusted(mounts.upstream))
        files = Files(certificate=str(served), certificate_key=str(key), trusted=str(trusted))
        config = render_nginx_config(mounts.upstream, addresses, files, self._place)
        self._nginx.write_file("nginx.conf", config.text)
        return config

    def _trusted(self, upstream: Upstream) -> tuple[str, str]:
        """Return name and text of the CA file: the system's authorities and the upstream's own."""
        if upstream.ca:
            check_ca(upstream.ca)
        system = ""
        if self._system_certificates.exists():
            system = self._system_certificates.read_text(encoding="utf-8")
        text = f"{system.rstrip()}\n{upstream.ca.strip()}\n".lstrip()
        return f"trusted-{hashlib.sha256(text.encode()).hexdigest()[:16]}.pem", text

    def _converge(self, status: Status, config: NginxConfig, running: Running | None) -> Status:
        if running is None:
            self._confirmed = ""
            return replace(status, message="nginx does not answer yet; see the log of the nginx container")
        if self._confirmed == config.configuration == running.configuration:
            return replace(status, ready=True, message="")
        if running.configuration != config.configuration:
            self._reload(config)
        if not self._is_confirmed(config):
            return replace(status, message="nginx still runs another configuration; its log says why if this stays")
        self._confirmed = config.configuration
        self._nginx.remove_files_but(_named_files(config), _FILE_PREFIXES)
        return replace(status, ready=True, nginx_generation=status.upstream_generation, message="")

    def _reload(self, config: NginxConfig) -> None:
        """Tell nginx at once about a new configuration, and again later if it did not take it."""
        told, when = self._reloaded
        if told == config.configuration and self._clock() - when < RELOAD_AGAIN_SECONDS:
            return
        self._reloaded = (config.configuration, self._clock())
        self._log("reloading nginx" if self._nginx.reload() else "no master process of nginx to reload")
        self._sleep(CONFIRMATION_PAUSE_SECONDS)

    def _is_confirmed(self, config: NginxConfig) -> bool:
        for _ in range(CONFIRMATIONS):
            self._sleep(CONFIRMATION_PAUSE_SECONDS)
            running = self._nginx.fetch_running()
            if running is None or running.configuration != config.configuration:
                return False
        return True


def _named_files(config: NginxConfig) -> set[str]:
    """Return the names of our files that a configuration mentions."""
    words = {word.strip(";") for word in config.text.split()}
    return {Path(word).name for word in words if Path(word).name.startswith(_FILE_PREFIXES)}
