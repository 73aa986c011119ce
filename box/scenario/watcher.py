# SPDX-License-Identifier: Apache-2.0
"""A thread that looks at the box all through a run: containers, containerds, pull-secret copies, process arguments."""

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from box.inventory import read_nodes
from box.judge.leaks import list_forms
from box.judge.restarts import History, Look, Restart, read_containers
from box.load.node import read_containerd_start
from box.watch.api import Api

ROUND_SECONDS = 0.25
_LOOK_EVERY = 6
_SECRETS = "/api/v1/secrets?fieldSelector=metadata.name%3Ddeckhouse-registry"


class Watcher:
    """Looks until it is stopped."""

    def __init__(self, api: Api, secrets: Sequence[str]) -> None:
        self._api = api
        self._history = History()
        self._forms = self._list_forms(secrets)
        self._shown: set[str] = set()
        self._copies: dict[str, list[tuple[datetime, str]]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._looking = threading.Lock()
        self.trouble: list[str] = []

    def start(self) -> None:
        """Take the first look, then go on in the background."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """Take a last look and end."""
        self._over.set()
        self._thread.join()
        self._look()

    @property
    def is_over(self) -> bool:
        """Whether it was stopped."""
        return self._over.is_set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Look away while there is nothing to be seen: the API server is put away on purpose."""
        with self._looking:
            yield

    def learn(self, secrets: Iterable[str]) -> None:
        """Look for these secrets as well."""
        self._forms = self._forms | self._list_forms(secrets)

    def list_restarts(self) -> tuple[Restart, ...]:
        """All restarts so far."""
        return self._history.list_restarts()

    def list_shown(self) -> tuple[str, ...]:
        """Processes that showed a secret among their arguments."""
        return tuple(sorted(self._shown))

    def find_follow_time(self, namespace: str, since: datetime) -> datetime | None:
        """When a namespace's copy of the pull secret first changed after a moment; None while it has not."""
        return next((at for at, _ in self._copies.get(namespace, [])[1:] if at >= since), None)

    def _run(self) -> None:
        number = 0
        while not self._over.wait(ROUND_SECONDS):
            number += 1
            self._search_arguments()
            if number % _LOOK_EVERY:
                continue
            try:
                with self._looking:
                    self._look()
            except Exception as error:  # the API server may be down on purpose; what was missed is told
                self.trouble.append(f"{datetime.now(UTC):%H:%M:%S} {type(error).__name__}: {error}")

    def _look(self) -> None:
        pods = self._api.fetch_items("/api/v1/pods")
        identities = {node.name: read_containerd_start(node) for node in read_nodes()}
        now = datetime.now(UTC)
        self._history.add(Look(at=now, containers=read_containers(pods), containerds=identities))
        for secret in self._api.fetch(_SECRETS)["items"]:
            content = hashlib.sha256(str(sorted((secret.get("data") or {}).items())).encode()).hexdigest()
            seen = self._copies.setdefault(secret["metadata"]["namespace"], [])
            if not seen or seen[-1][1] != content:
                seen.append((now, content))

    def _search_arguments(self) -> None:
        """Search the arguments of every process of the machine; those of others hold none of the box's secrets."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it ended meanwhile
            if any(form in words for form in self._forms):
                self._shown.add(f"arguments of process {words.split(chr(0).encode())[0].decode(errors='replace')}")

    @staticmethod
    def _list_forms(secrets: Iterable[str]) -> frozenset[bytes]:
        return frozenset(form.encode() for secret in secrets if secret for form in list_forms(secret))
