# SPDX-License-Identifier: Apache-2.0
"""The shipped images of the in-cluster proxy, run as in their pod, before a real registry and before odd ones.

Factors: login of the client (none, right, second, wrong, dropped) · what is asked (version, manifest by tag and
digest, blob, range, tags, the rest) · upstream (distribution with TLS and Basic; Bearer; redirecting; limiting;
wrong password, certificate, name) · what changes meanwhile (upstream, users, a broken Secret, nginx, the pod's end).
"""

import hashlib
import itertools
import json
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from box import images
from box.images.oci import MANIFEST, Blob, build_blob
from box.images.storage import RepositoryStorage
from box.layout import cache_folder
from box.registries.accounts import Account, Owner, find_account, read_accounts
from box.registries.catalogue import REGISTRY_A
from box.registries.journal import Entry, read_journals
from box.registries.start import Programs, Running, start
from tests.support.fake_upstream import Answer, Asked, FakeUpstream
from tests.support.proxy_pod import ProxyPod, await_true, basic, find_free_ports

pytestmark = pytest.mark.box

BASE = "/v2/system/deckhouse"
LOGIN = "old:old-password"
SECOND = "new:new-password"
USERS = {"old": "old-password", "new": "new-password"}
CONTENT = b"content of a blob"
END_SECONDS = 30
"""A tenth of the pod's terminationGracePeriodSeconds: what ends by itself ends by then on any machine."""
BLOB = f"{BASE}/blobs/sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealRegistry:
    """A registry of distribution on loopback."""

    host: str
    ca: str
    account: Account
    storage: Path

    def requests(self) -> tuple[Entry, ...]:
        """Return what it was asked so far."""
        return read_journals([self.storage.parent])


@pytest.fixture(scope="module")
def image_set() -> images.ImageSet:
    return images.build(cache_folder(), print)


@pytest.fixture(scope="module")
def big_blob() -> Blob:
    return build_blob("application/octet-stream", secrets.token_bytes(1024 * 1024) * 48)


@pytest.fixture(scope="module")
def registries(
    image_set: images.ImageSet, big_blob: Blob, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[RealRegistry]]:
    """Two registries with the same content and different certificates and passwords; the first has a big blob too."""
    started: list[Running] = []
    programs = Programs(cache=cache_folder(), image_set=image_set)
    found: list[RealRegistry] = []
    try:
        for _ in range(2):
            run = tmp_path_factory.mktemp("registry")
            (port,) = find_free_ports(1)
            described = replace(REGISTRY_A, host="localhost", address="127.0.0.1", port=port)
            started.append(start(described, run / described.name, programs, print))
            files = started[-1].files
            found.append(
                RealRegistry(
                    host=f"localhost:{port}",
                    ca=files.ca.read_text(encoding="ascii"),
                    account=find_account(read_accounts(files), Owner.PLATFORM),
                    storage=files.storage,
                )
            )
        RepositoryStorage(root=found[0].storage, repository=image_set.repository).add_blob(big_blob)
        yield found
    finally:
        for each in started:
            each.stop()


@pytest.fixture(scope="module")
def generations() -> Iterator[str]:
    return (str(number) for number in itertools.count(1))


def use_registry(pod: ProxyPod, real: RealRegistry, generation: str, **fields: str) -> None:
    credentials = {"username": real.account.user, "password": real.account.password, "ca": real.ca}
    pod.set_upstream(generation, real.host, **{**credentials, **fields})


@pytest.fixture(scope="module")
def shared_pod(
    image_set: images.ImageSet, registries: list[RealRegistry], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProxyPod]:
    pod = ProxyPod(image_set, tmp_path_factory.mktemp("pod"))
    try:
        pod.set_users("users-1", USERS)
        use_registry(pod, registries[0], "start")
        pod.start("auth")
        pod.start("proxy")
        pod.await_ready("start")
        yield pod
    finally:
        pod.close()


@pytest.fixture
def pod(shared_pod: ProxyPod, registries: list[RealRegistry], generations: Iterator[str]) -> ProxyPod:
    """The pod with both users before the first registry."""
    generation = next(generations)
    shared_pod.set_users(f"users-{generation}", USERS)
    use_registry(shared_pod, registries[0], generation)
    shared_pod.await_ready(generation)
    return shared_pod


@pytest.fixture
def fresh_pod(image_set: images.ImageSet, registries: list[RealRegistry], tmp_path: Path) -> Iterator[ProxyPod]:
    """A pod of its own, for what ends one; not started, before the first registry."""
    pod = ProxyPod(image_set, tmp_path)
    pod.set_users("1", USERS)
    use_registry(pod, registries[0], "1")
    try:
        yield pod
    finally:
        pod.close()


def use_fake(pod: ProxyPod, fake: FakeUpstream, generation: str, **fields: str) -> None:
    pod.set_upstream(generation, fake.host, scheme="http", **fields)
    pod.await_ready(generation)


# Reading


def test_a_manifest_comes_by_tag_and_by_digest_with_its_digest_in_the_header(
    pod: ProxyPod, image_set: images.ImageSet
) -> None:
    for reference in (image_set.tag, image_set.deckhouse_digest):
        response = pod.ask(f"{BASE}/manifests/{reference}", LOGIN, Accept=MANIFEST)

        assert response.status == 200
        assert response.headers["Docker-Content-Digest"] == image_set.deckhouse_digest
        assert "sha256:" + hashlib.sha256(response.body).hexdigest() == image_set.deckhouse_digest
        assert response.headers["Content-Type"] == MANIFEST


def test_head_of_a_manifest_has_the_headers_and_no_body(pod: ProxyPod, image_set: images.ImageSet) -> None:
    response = pod.ask(f"{BASE}/manifests/{image_set.tag}", LOGIN, "HEAD", Accept=MANIFEST)

    assert (response.status, response.body) == (200, b"")
    assert response.headers["Docker-Content-Digest"] == image_set.deckhouse_digest


def test_a_blob_comes_whole_and_in_parts(pod: ProxyPod, image_set: images.ImageSet) -> None:
    digest = image_set.images[0].unique_layer
    whole = pod.ask(f"{BASE}/blobs/{digest}", LOGIN)
    part = pod.ask(f"{BASE}/blobs/{digest}", LOGIN, Range="bytes=100-199")

    assert "sha256:" + hashlib.sha256(whole.body).hexdigest() == digest
    assert whole.headers["Etag"] == f'"{digest}"'
    assert (part.status, part.body) == (206, whole.body[100:200])


def test_tags_are_listed(pod: ProxyPod, image_set: images.ImageSet) -> None:
    assert json.loads(pod.ask(f"{BASE}/tags/list", LOGIN).body)["tags"] == [image_set.tag]


def test_the_version_check_is_answered_to_whoever_is_logged_in(pod: ProxyPod) -> None:
    assert pod.ask("/v2/", LOGIN).status == 200


# Clients


def test_a_client_without_login_is_asked_for_one(pod: ProxyPod) -> None:
    response = pod.ask(f"{BASE}/tags/list")

    assert (response.status, response.code) == (401, "UNAUTHORIZED")
    assert response.headers["WWW-Authenticate"] == 'Basic realm="registry.d8-system.svc:5001"'


def test_both_users_are_accepted_and_a_wrong_password_is_not(pod: ProxyPod) -> None:
    statuses = [pod.ask(f"{BASE}/tags/list", login).status for login in (LOGIN, SECOND, "old:new-password")]

    assert statuses == [200, 200, 401]


def test_a_dropped_user_is_refused_without_a_reload(pod: ProxyPod) -> None:
    pod.set_users("fewer", {"new": "new-password"})
    await_true(lambda: pod.status()["usersGeneration"] == "fewer")

    assert [pod.ask(f"{BASE}/tags/list", login).status for login in (LOGIN, SECOND)] == [401, 200]


def test_anonymous_clients_are_served_where_they_may(pod: ProxyPod) -> None:
    pod.set_users("open", {}, anonymous=True)
    await_true(lambda: pod.status()["usersGeneration"] == "open")

    assert [pod.ask(f"{BASE}/tags/list", login).status for login in ("", "any:body")] == [200, 401]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/_catalog", 405, "UNSUPPORTED"),
        ("GET", "/v2/library/alpine/manifests/latest", 404, "NAME_UNKNOWN"),
        ("GET", "/metrics", 404, "UNSUPPORTED"),
        ("GET", f"{BASE}/blobs/sha256:short", 400, "DIGEST_INVALID"),
        ("GET", f"{BASE}/../../_catalog", 404, "NAME_INVALID"),
        ("GET", f"{BASE}/manifests/absent", 404, "MANIFEST_UNKNOWN"),
        ("POST", f"{BASE}/blobs/uploads/", 405, "UNSUPPORTED"),
        ("DELETE", f"{BASE}/manifests/v1", 405, "UNSUPPORTED"),
        ("PUT", f"{BASE}/manifests/v1", 405, "UNSUPPORTED"),
    ],
)
def test_everything_else_is_an_error_of_the_specification(
    pod: ProxyPod, method: str, path: str, status: int, code: str
) -> None:
    body = b"x" * 2_000_000 if method in {"POST", "PUT"} else None
    response = pod.ask(path, LOGIN, method, body)

    assert (response.status, response.code) == (status, code)


# Upstreams that give trouble


def test_a_wrong_upstream_password_is_our_fault_and_is_not_tried_again_and_again(
    pod: ProxyPod, registries: list[RealRegistry], generations: Iterator[str]
) -> None:
    generation = next(generations)
    use_registry(pod, registries[1], generation, username="stranger")
    pod.await_ready(generation)

    responses = [pod.ask(f"{BASE}/tags/list", LOGIN) for _ in range(5)]

    assert {(response.status, response.code) for response in responses} == {(502, "UNAVAILABLE")}
    assert f"{registries[1].host} refuses the credentials of user 'stranger'" in responses[0].message
    assert sum(request.account == "stranger" for request in registries[1].requests()) == 1


def test_an_upstream_whose_certificate_is_not_trusted_is_not_asked(
    pod: ProxyPod, registries: list[RealRegistry], generations: Iterator[str]
) -> None:
    generation = next(generations)
    use_registry(pod, registries[1], generation, ca=registries[0].ca)
    pod.await_ready(generation)

    response = pod.ask(f"{BASE}/tags/list", LOGIN)

    assert (response.status, response.code) == (502, "UNAVAILABLE")
    assert "is not trusted" in response.message


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_other_answers_of_the_upstream_keep_their_class(pod: ProxyPod, generations: Iterator[str], status: int) -> None:
    def answer(asked: Asked) -> Answer:
        return Answer() if asked.path == "/v2/" else Answer(status=status, headers={"Retry-After": "7"}, body=b"{}")

    with FakeUpstream(answer) as fake:
        use_fake(pod, fake, next(generations))
        response = pod.ask(f"{BASE}/manifests/v1", LOGIN)

    assert (response.status, response.headers["Retry-After"], response.body) == (status, "7", b"{}")


def test_a_forbidden_repository_is_our_fault_and_names_it(pod: ProxyPod, generations: Iterator[str]) -> None:
    with FakeUpstream(lambda asked: Answer(status=200 if asked.path == "/v2/" else 403)) as fake:
        use_fake(pod, fake, next(generations), username="u", password="p")
        response = pod.ask(f"{BASE}/modules/one/manifests/v1", LOGIN)

    assert (response.status, response.code) == (502, "UNAVAILABLE")
    assert "does not let user 'u' read deckhouse/ee/modules/one (403)" in response.message


def test_the_upstream_gets_its_own_credentials_and_no_word_about_the_client(
    pod: ProxyPod, generations: Iterator[str]
) -> None:
    with FakeUpstream(lambda _: Answer(body=b"{}")) as fake:
        use_fake(pod, fake, next(generations), username="u", password="p")
        pod.ask(f"{BASE}/manifests/v1", LOGIN, X_Forwarded_For="1.2.3.4", Cookie="a=b", Accept="x/y")
        asked = fake.asked[-1]

    assert asked.path == "/v2/deckhouse/ee/manifests/v1"
    assert asked.headers["authorization"] == basic("u:p")["Authorization"]
    assert asked.headers["host"] == fake.host
    assert asked.headers["accept"] == "x/y"
    assert not {"x-forwarded-for", "cookie", "x-real-ip", "x-registry-upstream"} & set(asked.headers)


def test_links_to_the_next_page_lead_to_the_fixed_address(pod: ProxyPod, generations: Iterator[str]) -> None:
    link = '</v2/deckhouse/ee/tags/list?last=b&n=2>; rel="next"'
    with FakeUpstream(lambda _: Answer(headers={"Link": link}, body=b"{}")) as fake:
        use_fake(pod, fake, next(generations))
        response = pod.ask(f"{BASE}/tags/list?n=2&last=a&ns=x", LOGIN)

    assert fake.asked[-1].path == "/v2/deckhouse/ee/tags/list?n=2&last=a"
    assert response.headers["Link"] == '</v2/system/deckhouse/tags/list?last=b&n=2>; rel="next"'


def test_redirects_are_followed_without_credentials(pod: ProxyPod, generations: Iterator[str]) -> None:
    def store(asked: Asked) -> Answer:
        if asked.path.startswith("/first"):
            return Answer(status=302, headers={"Location": "/second?signature=s3cret"})
        return Answer(body=CONTENT)

    def answer(asked: Asked) -> Answer:
        location = f"http://127.0.0.1:{blobs.port}/first?signature=s3cret"
        return Answer(status=307, headers={"Location": location}) if "/blobs/" in asked.path else Answer()

    with FakeUpstream(store) as blobs, FakeUpstream(answer) as fake:
        use_fake(pod, fake, next(generations), username="u", password="p")
        response = pod.ask(BLOB, LOGIN)

    assert (response.status, response.body) == (200, CONTENT)
    assert [asked.path for asked in blobs.asked] == ["/first?signature=s3cret", "/second?signature=s3cret"]
    assert not any("authorization" in asked.headers for asked in blobs.asked)
    assert "s3cret" not in pod.logs()


def test_an_upstream_cannot_steer_nginx_by_its_headers(pod: ProxyPod, generations: Iterator[str]) -> None:
    headers = {"X-Accel-Redirect": "/generation", "X-Accel-Limit-Rate": "1"}
    with FakeUpstream(lambda _: Answer(headers=headers, body=CONTENT)) as fake:
        use_fake(pod, fake, next(generations))
        response = pod.ask(BLOB, LOGIN)

    assert (response.status, response.body) == (200, CONTENT)
    assert "X-Accel-Limit-Rate" not in response.headers


# Bearer tokens


class TokenServer:
    """A registry that wants a token for its repository, and the server that gives one to u:p."""

    def __init__(self) -> None:
        self.number = 0
        self.valid = ""
        self.realm = ""
        self.lock = threading.Lock()

    def answer(self, asked: Asked) -> Answer:
        if asked.path.startswith("/token"):
            if asked.headers.get("authorization") != basic("u:p")["Authorization"]:
                return Answer(status=401)
            time.sleep(0.2)  # so that requests meet while the token is on its way
            with self.lock:
                self.number += 1
                self.valid = f"token-{self.number}"
            return Answer(body=json.dumps({"token": self.valid, "expires_in": 300}).encode())
        if asked.headers.get("authorization") == f"Bearer {self.valid}":
            return Answer(body=CONTENT)
        realm = self.realm or f"http://{asked.headers['host']}/token"
        return Answer(status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="registry"'})


def test_one_token_serves_all_who_ask_at_once(pod: ProxyPod, generations: Iterator[str]) -> None:
    tokens = TokenServer()
    with FakeUpstream(tokens.answer) as fake:
        use_fake(pod, fake, next(generations), username="u", password="p")
        with ThreadPoolExecutor(8) as pool:
            bodies = list(pool.map(lambda _: pod.ask(BLOB, LOGIN).body, range(16)))
        asked = [request.path for request in fake.asked if request.path.startswith("/token")]

    assert bodies == [CONTENT] * 16
    assert asked == ["/token?service=registry&scope=repository%3Adeckhouse%2Fee%3Apull"]


def test_a_refused_token_login_is_told_as_ours_and_asked_once(pod: ProxyPod, generations: Iterator[str]) -> None:
    tokens = TokenServer()
    with FakeUpstream(tokens.answer) as fake:
        use_fake(pod, fake, next(generations), username="u", password="wrong")
        responses = [pod.ask(BLOB, LOGIN) for _ in range(3)]
        asked = [request for request in fake.asked if request.path.startswith("/token")]

    assert {response.status for response in responses} == {502}
    assert "refuses the credentials of user 'u'" in responses[0].message
    assert len(asked) == 1


def test_credentials_are_not_carried_to_a_foreign_token_server(pod: ProxyPod, generations: Iterator[str]) -> None:
    tokens = TokenServer()
    with FakeUpstream(tokens.answer) as thief, FakeUpstream(tokens.answer) as fake:
        tokens.realm = f"http://127.0.0.1:{thief.port}/token"
        use_fake(pod, fake, next(generations), username="u", password="p")
        response = pod.ask(BLOB, LOGIN)

    assert response.status == 502
    assert "outside its own domain" in response.message
    assert thief.asked == []


def test_an_upstream_that_turns_from_basic_to_bearer_fails_no_request(
    pod: ProxyPod, generations: Iterator[str]
) -> None:
    tokens = TokenServer()
    answers: list[Callable[[Asked], Answer]] = [lambda _: Answer(body=CONTENT)]
    with FakeUpstream(lambda asked: answers[-1](asked)) as fake:
        use_fake(pod, fake, next(generations), username="u", password="p")
        before = pod.ask(BLOB, LOGIN)
        answers.append(tokens.answer)
        after = pod.ask(BLOB, LOGIN)

    assert (before.status, after.status, after.body) == (200, 200, CONTENT)


# Changes


def test_an_upstream_switch_cuts_no_running_download(
    pod: ProxyPod,
    registries: list[RealRegistry],
    generations: Iterator[str],
    big_blob: Blob,
    image_set: images.ImageSet,
) -> None:
    connection = pod.connect()
    connection.request("GET", f"{BASE}/blobs/{big_blob.digest}", headers=basic(LOGIN))
    response = connection.getresponse()
    received = hashlib.sha256(response.read(1024 * 1024))

    generation = next(generations)
    use_registry(pod, registries[1], generation)
    pod.await_ready(generation)
    before = len(registries[1].requests())
    fetched = pod.ask(f"{BASE}/manifests/{image_set.tag}", LOGIN, Accept=MANIFEST)
    while part := response.read(1024 * 1024):
        received.update(part)
    connection.close()

    assert fetched.status == 200
    assert len(registries[1].requests()) > before
    assert f"sha256:{received.hexdigest()}" == big_blob.digest


def test_no_request_fails_while_upstreams_change(
    pod: ProxyPod, registries: list[RealRegistry], generations: Iterator[str], image_set: images.ImageSet
) -> None:
    statuses: list[int] = []
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            statuses.append(pod.ask(f"{BASE}/manifests/{image_set.tag}", LOGIN, Accept=MANIFEST).status)

    workers = [threading.Thread(target=load) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for turn in range(4):
            generation = next(generations)
            use_registry(pod, registries[turn % 2], generation)
            pod.await_ready(generation)
    finally:
        over.set()
        for worker in workers:
            worker.join()

    assert len(statuses) > 20
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        ("{", "upstream.json: not JSON"),
        (json.dumps({"generation": "9", "scheme": "ftp"}), "scheme must be http or https"),
    ],
)
def test_a_broken_secret_is_reported_and_what_served_goes_on(pod: ProxyPod, upstream: str, message: str) -> None:
    served = pod.status()["nginxGeneration"]
    pod.write_secret("upstream", {"upstream.json": upstream})
    await_true(lambda: message in pod.status()["message"])

    assert pod.status()["nginxGeneration"] == served
    assert pod.ask_status("/healthz").status == 200
    assert pod.ask(f"{BASE}/tags/list", LOGIN).status == 200


def test_a_new_upstream_that_cannot_be_resolved_leaves_the_old_one(pod: ProxyPod) -> None:
    served = pod.status()["nginxGeneration"]
    pod.set_upstream("nowhere", "registry.invalid")
    await_true(lambda: "registry.invalid cannot be resolved" in pod.status()["message"])

    assert (pod.status()["nginxGeneration"], pod.status()["ready"]) == (served, False)
    assert pod.ask(f"{BASE}/tags/list", LOGIN).status == 200


# The life of the containers


def test_nginx_waits_for_its_first_configuration_and_says_so(fresh_pod: ProxyPod) -> None:
    fresh_pod.start("proxy")
    await_true(lambda: "waiting for the auth sidecar" in fresh_pod.logs())
    fresh_pod.start("auth")

    fresh_pod.await_ready("1")


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
def test_a_container_that_waits_for_its_configuration_ends_when_told_to(
    fresh_pod: ProxyPod, number: signal.Signals
) -> None:
    fresh_pod.start("proxy")
    await_true(lambda: "waiting for the auth sidecar" in fresh_pod.logs())

    assert fresh_pod.stop("proxy", number, END_SECONDS) == 0


def test_downloads_end_in_peace_when_the_pod_is_told_to_end(fresh_pod: ProxyPod, big_blob: Blob) -> None:
    fresh_pod.start("proxy")
    fresh_pod.start("auth")
    fresh_pod.await_ready("1")
    connection = fresh_pod.connect()
    connection.request("GET", f"{BASE}/blobs/{big_blob.digest}", headers=basic(LOGIN))
    response = connection.getresponse()
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(fresh_pod.stop("proxy", signal.SIGQUIT, 30))),
        threading.Thread(target=lambda: results.append(fresh_pod.stop("auth", signal.SIGTERM, 30))),
    ]
    for thread in threads:
        thread.start()
    time.sleep(1)
    received = hashlib.sha256(response.read())
    connection.close()
    for thread in threads:
        thread.join()

    assert f"sha256:{received.hexdigest()}" == big_blob.digest
    assert results == [0, 0]


def test_nginx_comes_back_after_a_kill_and_takes_changes_over(
    fresh_pod: ProxyPod, registries: list[RealRegistry]
) -> None:
    fresh_pod.start("proxy")
    fresh_pod.start("auth")
    fresh_pod.await_ready("1")
    fresh_pod.kill("proxy")
    await_true(lambda: fresh_pod.ask_status("/healthz").status == 503)
    use_registry(fresh_pod, registries[1], "2")
    fresh_pod.start("proxy")

    fresh_pod.await_ready("2")
    assert fresh_pod.ask(f"{BASE}/tags/list", LOGIN).status == 200


def test_no_password_is_in_logs_arguments_or_the_configuration(
    pod: ProxyPod, registries: list[RealRegistry], generations: Iterator[str]
) -> None:
    pod.ask(f"{BASE}/tags/list", LOGIN)
    pod.ask(f"{BASE}/tags/list", "old:a-wrong-password")
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    places = [pod.logs().encode(), (pod.state / "nginx.conf").read_bytes(), *arguments]
    told = ["old-password", "new-password", "a-wrong-password", *(real.account.password for real in registries)]

    # pytest's own arguments hold no password; so a hit is the pod's.
    assert [word for word in told for place in places if word.encode() in place] == []
