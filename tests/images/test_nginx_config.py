# SPDX-License-Identifier: Apache-2.0
"""nginx.conf as a whole file, and how the sidecar brings nginx to it (with an nginx in memory)."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from registry_auth.addresses import AddressBook
from registry_auth.challenge import Challenge
from registry_auth.controlling import Controller
from registry_auth.model import Scheme, Secret, Upstream
from registry_auth.nginx_config import Files, Place, render_nginx_config
from registry_auth.nginx_process import NginxProcess, Running
from registry_auth.tokens import Token

from box.registries.tls import issue_server_certificate

GOLDEN = Path(__file__).parents[1] / "golden" / "proxy" / "nginx.conf"
FILES = Files(certificate="/run/p/tls-1.crt", certificate_key="/run/p/tls-1.key", trusted="/run/p/trusted-1.pem")
PLACE = Place(
    state="/run/p", port=5001, auth_port=5003, generation_port=5004, workers=2, nameservers=("10.0.0.10",), ipv6=True
)
UPSTREAM = Upstream(
    generation="7",
    scheme=Scheme.HTTPS,
    host="registry.example.com:5000",
    path="/deckhouse/ee.x",
    ca="",
    username="u",
    password=Secret("p4ssw0rd"),
)


def test_the_whole_configuration_is_as_recorded() -> None:
    text = render_nginx_config(UPSTREAM, ["fd00::1", "10.0.0.1"], FILES, PLACE).text
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")

    assert text == GOLDEN.read_text(encoding="utf-8")


def test_no_placeholder_and_no_password_is_left() -> None:
    text = render_nginx_config(UPSTREAM, ["10.0.0.1"], FILES, PLACE).text

    assert "@{" not in text
    assert "p4ssw0rd" not in text


def test_addresses_in_any_order_give_the_same_configuration() -> None:
    one = render_nginx_config(UPSTREAM, ["10.0.0.1", "10.0.0.2"], FILES, PLACE)
    other = render_nginx_config(UPSTREAM, ["10.0.0.2", "10.0.0.1"], FILES, PLACE)

    assert one == other


@pytest.mark.parametrize(
    "changed",
    [
        render_nginx_config(replace(UPSTREAM, generation="8"), ["10.0.0.1"], FILES, PLACE),
        render_nginx_config(UPSTREAM, ["10.0.0.2"], FILES, PLACE),
        render_nginx_config(UPSTREAM, ["10.0.0.1"], replace(FILES, certificate="/run/p/tls-2.crt"), PLACE),
        render_nginx_config(UPSTREAM, ["10.0.0.1"], replace(FILES, trusted="/run/p/trusted-2.pem"), PLACE),
    ],
    ids=["generation", "address", "certificate", "authorities"],
)
def test_every_change_has_another_hash(changed: object) -> None:
    before = render_nginx_config(UPSTREAM, ["10.0.0.1"], FILES, PLACE)

    assert getattr(changed, "configuration") != before.configuration  # noqa: B009 - typed as object on purpose


class MemoryNginx(NginxProcess):
    """Files as they are, but the process is in memory: it loads what lies there when it is reloaded."""

    def __init__(self, state: Path) -> None:
        super().__init__(state, 0)
        self.running: Running | None = None
        self.reloads = 0
        self.accepts = True

    def load(self) -> None:
        line = next(line for line in (self.read_file("nginx.conf") or "").splitlines() if '"configuration":' in line)
        content = json.loads(line[line.index("{") : line.rindex("}") + 1])
        self.running = Running(
            upstream_generation=content["upstreamGeneration"], configuration=content["configuration"]
        )

    def fetch_running(self) -> Running | None:
        return self.running

    def reload(self) -> bool:
        self.reloads += 1
        if self.accepts:
            self.load()
        return True


class NoUpstream:
    def fetch_challenges(self, upstream: Upstream) -> tuple[Challenge, ...]:
        raise AssertionError("nobody asked for anything")

    def fetch_token(self, upstream: Upstream, url: str, authorization: str) -> Token:
        raise AssertionError("nobody asked for anything")


class Bench:
    """A controller before mounted Secrets, a resolver and a clock that the test turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir()
        self.now = 100.0
        self.answers = {"registry.example.com": ("10.0.0.1",)}
        self.logged: list[str] = []
        self.nginx = MemoryNginx(self.state)
        self.addresses = AddressBook(lambda host, _: self.answers.get(host, ()), lambda: self.now)
        self.controller = Controller(
            folder=folder,
            system_certificates=folder / "absent",
            place=PLACE,
            nginx=self.nginx,
            addresses=self.addresses,
            client=NoUpstream(),
            clock=lambda: self.now,
            sleep=self.sleep,
            log=self.logged.append,
        )
        certificate = issue_server_certificate("registry.d8-system.svc", [])
        self.write("tls", "tls.crt", certificate.certificate.decode())
        self.write("tls", "tls.key", certificate.key.decode())
        self.write("users", "users.json", '{"generation":"1","anonymous":true,"users":[]}')
        self.upstream("1")

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def write(self, secret: str, name: str, content: str) -> None:
        (self.folder / secret).mkdir(exist_ok=True)
        (self.folder / secret / name).write_text(content, encoding="utf-8")

    def upstream(self, generation: str, host: str = "registry.example.com", ca: str = "") -> None:
        content = {"scheme": "https", "path": "/d", "ca": ca, "username": "u", "password": "p4ssw0rd"}
        self.write("upstream", "upstream.json", json.dumps({**content, "generation": generation, "host": host}))

    def tick(self, times: int = 3) -> dict[str, object]:
        for _ in range(times):
            self.controller.tick()
            self.addresses.poll()
            self.now += 1
        return self.controller.status.to_wire()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_first_configuration_is_written_and_waits_for_nginx(bench: Bench) -> None:
    status = bench.tick()

    assert (bench.state / "nginx.conf").exists()
    assert status["ready"] is False
    assert "nginx does not answer yet" in str(status["message"])
    assert not bench.controller.serving


def test_nginx_that_runs_what_is_mounted_is_ready_and_is_not_reloaded(bench: Bench) -> None:
    bench.tick()
    bench.nginx.load()

    assert bench.tick(5) == {
        "upstreamGeneration": "1",
        "usersGeneration": "1",
        "nginxGeneration": "1",
        "ready": True,
        "message": "",
    }
    assert bench.nginx.reloads == 0
    assert bench.controller.serving


def ready(bench: Bench) -> Bench:
    bench.tick()
    bench.nginx.load()
    assert bench.tick()["ready"] is True
    return bench


def test_a_new_generation_reloads_once_and_old_files_go(bench: Bench) -> None:
    ready(bench)
    ca = issue_server_certificate("x", []).ca.decode()
    before = set(bench.state.glob("trusted-*"))
    bench.upstream("2", ca=ca)
    status = bench.tick()

    assert (status["nginxGeneration"], status["ready"], bench.nginx.reloads) == ("2", True, 1)
    after = set(bench.state.glob("trusted-*"))
    assert len(after) == 1
    assert not after & before


def test_workers_of_two_generations_find_their_own_upstream(bench: Bench) -> None:
    ready(bench)
    old = bench.controller.authorizer(identity(bench))
    bench.upstream("2")
    bench.tick()
    new = bench.controller.authorizer(identity(bench))

    assert old is not None
    assert new is not None
    assert (old.upstream.generation, new.upstream.generation) == ("1", "2")
    assert bench.controller.authorizer(old.upstream.identity) is old


def identity(bench: Bench) -> str:
    text = (bench.state / "nginx.conf").read_text(encoding="utf-8")
    return text.partition('X-Registry-Upstream "')[2].partition('"')[0]


def test_a_reload_that_nginx_did_not_take_is_repeated_after_a_while_and_reported(bench: Bench) -> None:
    ready(bench)
    bench.nginx.accepts = False
    bench.upstream("2")
    first = bench.tick(2)
    assert (first["nginxGeneration"], first["ready"]) == ("1", False)
    assert "still runs another configuration" in str(first["message"])
    assert bench.nginx.reloads == 1
    assert bench.controller.serving

    bench.nginx.accepts = True
    assert bench.tick(8)["nginxGeneration"] == "2"
    assert bench.nginx.reloads == 2


@pytest.mark.parametrize(
    ("secret", "name", "content", "message"),
    [
        ("upstream", "upstream.json", "{", "upstream.json: not JSON"),
        ("users", "users.json", "{}", "users.json: anonymous"),
        ("tls", "tls.key", "x", "tls: "),
    ],
)
def test_a_broken_secret_changes_nothing_that_serves(
    bench: Bench, secret: str, name: str, content: str, message: str
) -> None:
    ready(bench)
    before = (bench.state / "nginx.conf").read_text(encoding="utf-8")
    bench.write(secret, name, content)
    status = bench.tick()

    assert message in str(status["message"])
    assert (status["ready"], status["nginxGeneration"], bench.controller.serving) == (False, "1", True)
    assert (bench.state / "nginx.conf").read_text(encoding="utf-8") == before
    assert bench.nginx.reloads == 0


def test_a_missing_secret_is_named(bench: Bench) -> None:
    (bench.folder / "users" / "users.json").unlink()

    assert "users.json is missing: is the Secret mounted" in str(bench.tick()["message"])


def test_a_ca_that_is_no_certificate_is_refused(bench: Bench) -> None:
    bench.upstream("1", ca="-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")

    assert bench.tick()["message"] == "upstream.json: ca holds no PEM certificate"


def test_an_upstream_that_moved_is_followed(bench: Bench) -> None:
    ready(bench)
    bench.answers["registry.example.com"] = ("10.0.0.2",)
    bench.tick(15)

    assert "server 10.0.0.2:443 max_fails=0;" in (bench.state / "nginx.conf").read_text(encoding="utf-8")
    assert bench.nginx.reloads == 1


def test_a_resolver_that_stops_answering_changes_nothing(bench: Bench) -> None:
    ready(bench)
    bench.answers.clear()

    assert bench.tick(30)["ready"] is True
    assert bench.nginx.reloads == 0


def test_keys_are_readable_by_the_pods_user_alone_and_nothing_is_logged_of_them(bench: Bench) -> None:
    ready(bench)

    assert {path.stat().st_mode & 0o777 for path in bench.state.glob("tls-*.key")} == {0o600}
    assert "p4ssw0rd" not in " ".join(bench.logged)


def test_a_secret_is_read_through_the_link_that_the_kubelet_turns(bench: Bench) -> None:
    ready(bench)
    content = (bench.folder / "upstream" / "upstream.json").read_text(encoding="utf-8")
    for generation in ("5", "6"):
        version = bench.folder / "upstream" / f"..{generation}"
        version.mkdir()
        (version / "upstream.json").write_text(content.replace('"1"', f'"{generation}"'), encoding="utf-8")
    (bench.folder / "upstream" / "..data").symlink_to("..5")
    assert bench.tick()["nginxGeneration"] == "5"

    (bench.folder / "upstream" / "..new").symlink_to("..6")
    (bench.folder / "upstream" / "..new").rename(bench.folder / "upstream" / "..data")
    assert bench.tick()["nginxGeneration"] == "6"
