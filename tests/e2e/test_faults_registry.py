# SPDX-License-Identifier: Apache-2.0
"""Every registry of the box, and every fault of registries, seen by containerd's own client: no cluster, no module.

Factors: the registry (2.8 with Basic, 3 with tokens, hiding, redirecting, without TLS) · the client (ctr 2.x, 1.7) ·
the fault. Only the network namespaces and the registries are up.
"""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from box import holder, network
from box.build import Tools, build_all
from box.down import find_remains, take_down
from box.layout import CORE, PYTHON, REPOSITORY, cache_folder
from box.load.imagery import find_smallest_layer
from box.registries import running
from box.registries.accounts import Owner
from box.registries.catalogue import REGISTRIES, TENANT_REPOSITORY, Registry, get_registry, list_names
from box.registries.content import list_tenant_digests
from box.registries.journal import Entry, Kind
from box.registries.start import Programs
from box.report import Report
from box.scenario.gathering import JOURNAL_SECONDS

pytestmark = [pytest.mark.box, pytest.mark.timeout(300)]

IN_NAMESPACE = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
HOSTS_TOML = """\
server = "{scheme}://{authority}"
capabilities = ["pull", "resolve"]
{ca}
[auth]
username = "{user}"
password = "{password}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ctr:
    """Containerd's client in the box's core namespace; it asks registries itself, without a daemon."""

    programs: dict[str, Path]
    folder: Path
    tools: Tools

    def fetch(self, command: str, *words: str, version: str = "2", seconds: float = 10) -> tuple[bytes, str]:
        """Output and complaint; the complaint is `timeout` where there was no end."""
        hosts = self.folder / "hosts"
        hosts.write_text("".join(f"{address} {name}\n" for name, address in list_names().items()))
        argv = ["nsenter", f"--net=/run/netns/{CORE}", "--", "unshare", "--mount", "--propagation=private", "--"]
        argv += ["sh", "-c", IN_NAMESPACE, "sh", str(hosts), str(self.programs[version])]
        argv += ["content", command, "--hosts-dir", str(self.folder / "hosts.d"), *words]
        try:
            done = subprocess.run(argv, capture_output=True, check=False, timeout=seconds)
        except subprocess.TimeoutExpired:
            return b"", "timeout"
        return done.stdout, done.stderr.decode() if done.returncode else ""

    def trust(self, registry: Registry, owner: Owner = Owner.PLATFORM) -> None:
        """Write hosts.toml with the CA and the login of the moment."""
        login = running.find_login(registry.name, owner)
        ca = f'ca = "{running.get_files(registry.name).ca}"' if registry.scheme == "https" else ""
        facts = {"scheme": registry.scheme, "authority": registry.authority, "ca": ca}
        folder = self.folder / "hosts.d" / registry.authority
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.toml").write_text(HOSTS_TOML.format(**facts, user=login.user, password=login.password))

    def fetch_manifest(self, registry: Registry, version: str = "2", seconds: float = 10) -> str:
        """Fetch the deckhouse image's manifest; returns the complaint, empty when it came."""
        reference = f"{registry.authority}/{registry.paths[0]}@{self.tools.images.deckhouse_digest}"
        return self.fetch("fetch-object", reference, version=version, seconds=seconds)[1]

    def fetch_layer(self, registry: Registry, version: str = "2") -> tuple[str, str]:
        """Fetch its smallest layer; returns the digest of what came, and the complaint."""
        reference = f"{registry.authority}/{registry.paths[0]}@{self.tools.images.deckhouse_digest}"
        content, complaint = self.fetch("fetch-blob", reference, self.layer, version=version)
        return f"sha256:{hashlib.sha256(content).hexdigest()}", complaint

    @property
    def layer(self) -> str:
        """Digest of the smallest layer."""
        return find_smallest_layer(self.tools.images.storage, self.tools.images.deckhouse_digest)


@pytest.fixture(scope="module")
def ctr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ctr]:
    if find_remains():
        pytest.fail("a box is there already; end it first: python -m box down")
    report = Report()
    tools = build_all(report)
    programs = Programs(cache=cache_folder(), image_set=tools.images, distribution=tools.distribution)
    try:
        with holder.hold():
            network.create_network()
            made = Ctr(
                programs={"2": tools.containerd / "ctr", "1.7": tools.containerd17 / "ctr"},
                folder=tmp_path_factory.mktemp("ctr"),
                tools=tools,
            )
            for each in REGISTRIES:
                running.start_in_box(each.name, programs, report.line)
                made.trust(each)
        yield made
    finally:
        take_down(report)
    assert find_remains() == []


@pytest.fixture(params=["a", "b"])
def registry(request: pytest.FixtureRequest, ctr: Ctr) -> Iterator[Registry]:
    """A registry that works before the test, and again when its faults are cleared."""
    chosen = get_registry(request.param)
    assert ctr.fetch_manifest(chosen) == ""
    yield chosen
    running.set_fault(chosen.name, "clear")
    assert ctr.fetch_manifest(chosen) == "", "the fault is over"
    assert ctr.fetch_layer(chosen) == (ctr.layer, "")


@pytest.mark.parametrize("version", ["2", "1.7"])
@pytest.mark.parametrize("name", [each.name for each in REGISTRIES])
def test_every_registry_serves_the_platforms_images_to_both_containerds(ctr: Ctr, name: str, version: str) -> None:
    registry = get_registry(name)
    assert ctr.fetch_manifest(registry, version) == ""
    assert ctr.fetch_layer(registry, version) == (ctr.layer, "")


@pytest.mark.parametrize("name", [each.name for each in REGISTRIES if each.has_tenants])
def test_a_tenants_images_are_served_to_the_tenant(ctr: Ctr, name: str) -> None:
    registry = get_registry(name)
    digest = list_tenant_digests(running.get_files(name).storage)[0]
    try:
        ctr.trust(registry, Owner.TENANT)
        assert ctr.fetch("fetch-object", f"{registry.authority}/{TENANT_REPOSITORY}@{digest}")[1] == ""
    finally:
        ctr.trust(registry)
    # The registry's line may come a moment after its answer, and after the token server's.
    deadline = time.monotonic() + JOURNAL_SECONDS
    served: list[Entry] = []
    while not served and time.monotonic() < deadline:
        served = [one for one in running.read_journal(name) if one.reference == digest and one.status == 200]
    assert {(one.account, one.repository) for one in served} == {("tenant", TENANT_REPOSITORY)}


def test_a_token_for_one_repository_opens_no_other(ctr: Ctr) -> None:
    registry = get_registry("b")
    digest = list_tenant_digests(running.get_files(registry.name).storage)[0]
    complaint = ctr.fetch("fetch-object", f"{registry.authority}/{TENANT_REPOSITORY}@{digest}")[1]
    assert "401" in complaint or "insufficient_scope" in complaint or "authorization failed" in complaint
    refused = [one for one in running.read_journal("b") if one.reference == digest and one.account == "platform-b"]
    assert {one.status for one in refused} == {401}


def test_the_object_store_gets_no_login_and_the_registry_gives_no_blob(ctr: Ctr) -> None:
    registry = get_registry("redirecting")
    count = len(running.read_journal("redirecting"))
    assert ctr.fetch_layer(registry) == (ctr.layer, "")
    entries = running.read_journal("redirecting")[count:]
    blobs = {one.registry: (one.account, one.status) for one in entries if one.kind is Kind.BLOB}
    assert blobs["registry-redirecting"] == ("platform-redirecting", 307)
    assert blobs["registry-redirecting-store"] == ("", 200)


def test_what_a_hiding_registry_lacks_looks_like_a_wrong_login(ctr: Ctr) -> None:
    registry = get_registry("hiding")
    complaint = ctr.fetch("fetch-object", f"{registry.authority}/{registry.paths[0]}:no-such-tag")[1]
    assert "401" in complaint or "authorization failed" in complaint


@pytest.mark.parametrize(
    ("word", "says"),
    [
        pytest.param("down", "connection refused", id="down"),
        pytest.param("401", "401|authorization failed", id="401"),
        pytest.param("403", "403", id="403"),
        pytest.param("429=3", "429", id="429"),
        pytest.param("5xx", "503", id="5xx"),
        pytest.param("502", "502", id="502"),
        pytest.param("wrong-ca", "unknown authority", id="wrong CA"),
        pytest.param("expired", "certificate has expired", id="expired"),
        pytest.param("not-yet-valid", "is not yet valid|not yet valid|before", id="not yet valid"),
        pytest.param("password", "401|authorization failed", id="password changed"),
    ],
)
def test_a_fault_of_the_registry_has_its_effect_at_once(ctr: Ctr, registry: Registry, word: str, says: str) -> None:
    running.set_fault(registry.name, word)
    complaint = ctr.fetch_manifest(registry)
    assert any(one in complaint for one in says.split("|")), complaint
    assert word in " ".join(running.fetch_faults(registry.name)).replace("503", "5xx")


def test_a_registry_that_hangs_takes_the_connection_and_says_nothing(ctr: Ctr, registry: Registry) -> None:
    running.set_fault(registry.name, "hang")
    begin = time.monotonic()
    assert ctr.fetch_manifest(registry, seconds=2) == "timeout"
    assert time.monotonic() - begin >= 2


def test_a_slow_registry_sends_so_many_bytes_a_second(ctr: Ctr, registry: Registry) -> None:
    size = running.get_files(registry.name).blob(ctr.layer).stat().st_size
    running.set_fault(registry.name, f"slow={size}")
    begin = time.monotonic()
    assert ctr.fetch_layer(registry) == (ctr.layer, "")
    assert time.monotonic() - begin >= 1


def test_a_missing_layer_is_not_found_and_the_manifest_is(ctr: Ctr, registry: Registry) -> None:
    running.set_fault(registry.name, f"layer-missing={ctr.layer}")
    assert ctr.fetch_manifest(registry) == ""
    assert "404 Not Found" in ctr.fetch_layer(registry)[1]


def test_wrong_bytes_come_with_another_digest(ctr: Ctr, registry: Registry) -> None:
    running.set_fault(registry.name, f"wrong-bytes={ctr.layer}")
    digest, complaint = ctr.fetch_layer(registry)
    assert complaint == ""
    assert digest != ctr.layer


def test_a_changed_password_lets_the_new_one_in(ctr: Ctr, registry: Registry) -> None:
    running.set_fault(registry.name, "password")
    try:
        ctr.trust(registry)
        assert ctr.fetch_manifest(registry) == ""
    finally:
        running.set_fault(registry.name, "clear")
        ctr.trust(registry)


def test_faults_are_set_and_cleared_from_the_command_line(ctr: Ctr, registry: Registry) -> None:
    def box(*words: str) -> str:
        command = [str(PYTHON), "-m", "box", *words]
        done = subprocess.run(command, cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, check=True)
        return done.stdout

    assert "403 expired" in box("fault", "registry", registry.name, "expired", "403")
    assert "expired" in ctr.fetch_manifest(registry)
    assert "no fault any more" in box("fault", "registry", registry.name, "clear")
    assert ctr.fetch_manifest(registry) == ""


def test_no_journal_holds_a_password() -> None:
    for folder in running.FOLDER.iterdir():
        text = "".join(path.read_text() for path in folder.glob("*.journal")) if folder.is_dir() else ""
        for line in text.splitlines():
            json.loads(line)
        assert not any(secret in text for secret in running.list_secrets())
