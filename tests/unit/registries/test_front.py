# SPDX-License-Identifier: Apache-2.0
"""The front of a registry in its own process, asked over TLS: each fault has its effect at once and goes away again.

Factors: how the registry is (plain, hiding, redirecting, with tokens) · the fault · a connection made before it.
"""

import base64
import http.client
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from box.registries.accounts import Owner, change_password, find_account, read_accounts, write_accounts
from box.registries.catalogue import Registry, get_registry
from box.registries.journal import Kind, read_shown
from tests.support.registry_front import FrontOnLoopback

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
BLOBS = {ONE: b"first" * 1000, TWO: b"second" * 1000}
PATH = f"/v2/deckhouse/ee/blobs/{ONE}"
OTHER = f"/v2/deckhouse/ee/blobs/{TWO}"
LOGIN = "Basic " + base64.b64encode(b"u:pa55word").decode()


def make_front(registry: Registry, folder: Path) -> FrontOnLoopback:
    return FrontOnLoopback(registry, folder, BLOBS)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontOnLoopback]:
    with make_front(get_registry("a"), tmp_path_factory.mktemp("a")) as front:
        yield front


@pytest.fixture
def front(shared: FrontOnLoopback) -> Iterator[FrontOnLoopback]:
    yield shared
    shared.set_faults()
    assert shared.ask(PATH, LOGIN).body == BLOBS[ONE], "the fault is over"


def test_without_a_fault_everything_goes_through_unchanged(front: FrontOnLoopback) -> None:
    reply = front.ask(PATH, LOGIN)
    assert (reply.status, reply.body) == (200, BLOBS[ONE])
    assert front.ask(PATH).headers["WWW-Authenticate"] == 'Basic realm="backend"'
    assert front.ask(PATH, LOGIN, method="HEAD").headers["Content-Length"] == str(len(BLOBS[ONE]))
    assert front.ask("/v2/deckhouse/ee/blobs/none", LOGIN).status == 404


def test_down_refuses_connections_and_drops_those_that_are_there(front: FrontOnLoopback) -> None:
    connection = front.connect()
    connection.request("GET", PATH, headers={"Authorization": LOGIN})
    connection.getresponse().read()
    front.set_faults("down")
    with pytest.raises(ConnectionRefusedError):
        front.knock()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask_again(connection)
    connection.close()


def ask_again(connection: http.client.HTTPSConnection) -> None:
    connection.request("GET", PATH)
    connection.getresponse()


def test_hang_accepts_and_never_answers_a_handshake(front: FrontOnLoopback) -> None:
    front.set_faults("hang")
    front.knock()
    with pytest.raises(TimeoutError):
        front.ask(PATH, LOGIN, timeout=0.5)


def test_hang_also_silences_a_connection_that_is_there(front: FrontOnLoopback) -> None:
    connection = front.connect(timeout=0.5)
    connection.connect()
    front.set_faults("hang")
    connection.request("GET", PATH, headers={"Authorization": LOGIN})
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()


def test_slow_sends_so_many_bytes_a_second(front: FrontOnLoopback) -> None:
    front.set_faults("slow=10000")
    reply = front.ask(PATH, LOGIN)
    assert reply.body == BLOBS[ONE]
    assert reply.seconds >= 0.9 * len(BLOBS[ONE]) / 10000


@pytest.mark.parametrize(("word", "status"), [("401", 401), ("403", 403), ("429=7", 429), ("5xx", 503), ("502", 502)])
def test_a_status_answers_everything(front: FrontOnLoopback, word: str, status: int) -> None:
    front.set_faults(word)
    reply = front.ask(PATH, LOGIN)
    assert reply.status == status
    assert json.loads(reply.body)["errors"][0]["code"]
    assert reply.headers.get("Retry-After") == ("7" if status == 429 else None)
    assert ("WWW-Authenticate" in reply.headers) == (status == 401)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("wrong-ca", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
        ("not-yet-valid", "certificate is not yet valid"),
    ],
)
def test_a_certificate_is_wrong_in_just_this_way(front: FrontOnLoopback, word: str, reason: str) -> None:
    front.set_faults(word)
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        front.ask(PATH, LOGIN)


def test_one_layer_is_missing_or_every_one(front: FrontOnLoopback) -> None:
    front.set_faults(f"layer-missing={ONE}")
    assert front.ask(PATH, LOGIN).status == 404
    assert front.ask(PATH, LOGIN, method="HEAD").status == 404
    assert front.ask(PATH).status == 401, "nobody learns what is missing without a login"
    assert front.ask(OTHER, LOGIN).status == 200
    front.set_faults("layer-missing")
    assert front.ask(OTHER, LOGIN).status == 404


def test_wrong_bytes_have_the_right_length(front: FrontOnLoopback) -> None:
    front.set_faults(f"wrong-bytes={ONE}")
    body = front.ask(PATH, LOGIN).body
    assert len(body) == len(BLOBS[ONE])
    assert body != BLOBS[ONE]
    assert front.ask(OTHER, LOGIN).body == BLOBS[TWO]


def test_faults_add_up(front: FrontOnLoopback) -> None:
    front.set_faults("slow=10000", f"wrong-bytes={ONE}")
    reply = front.ask(PATH, LOGIN)
    assert reply.seconds >= 0.4
    assert reply.body != BLOBS[ONE]


def test_the_journal_says_who_asked_for_what_and_holds_no_password(tmp_path: Path) -> None:
    with make_front(get_registry("a"), tmp_path) as front:
        check_journal(front)


def check_journal(front: FrontOnLoopback) -> None:
    front.ask(PATH, LOGIN)
    front.ask(PATH)
    front.set_faults("403")
    front.ask(PATH, LOGIN)
    first, second, third = front.read_journal(3)
    shown = read_shown(LOGIN, front.files.salt.read_bytes())
    assert (first.account, first.credential, first.refused) == ("u", shown.credential, False)
    assert (first.kind, first.repository, first.reference) == (Kind.BLOB, "deckhouse/ee", ONE)
    assert (first.status, first.sent, first.remote) == (200, len(BLOBS[ONE]), "127.0.0.1")
    assert (second.account, second.status, second.refused) == ("", 401, False)
    assert (third.status, third.fault) == (403, "403")
    text = front.files.journal.read_text()
    assert "pa55word" not in text
    assert LOGIN.split()[1] not in text


def test_a_registry_that_hides_answers_401_for_what_it_lacks(tmp_path: Path) -> None:
    with make_front(get_registry("hiding"), tmp_path) as front:
        assert front.ask(PATH, LOGIN).status == 200
        missing = front.ask("/v2/deckhouse/ee/blobs/sha256:none", LOGIN)
        assert missing.status == 401
        assert "WWW-Authenticate" in missing.headers


def test_a_registry_with_a_store_sends_on_by_signed_url_and_the_store_wants_no_login(tmp_path: Path) -> None:
    with make_front(get_registry("redirecting"), tmp_path) as front:
        sent_on = front.ask(PATH, LOGIN)
        assert (sent_on.status, sent_on.body) == (307, b"")
        url = urlsplit(sent_on.headers["Location"])
        assert url.port
        where = f"{url.path}?{url.query}"
        assert front.ask(where, port=url.port).body == BLOBS[ONE]
        assert front.ask(where, LOGIN, port=url.port).status == 400
        assert front.ask(url.path, port=url.port).status == 403
        assert front.ask(PATH).status == 401
        assert front.ask("/v2/deckhouse/ee/blobs/sha256:none", LOGIN).status == 404
        stored = [one for one in front.read_journal(6) if one.registry == "registry-redirecting-store"]
        assert [(one.account, one.status) for one in stored] == [("", 200), ("u", 400), ("", 403)]
        assert "signature" not in front.files.store_journal.read_text()


def test_a_token_server_gives_tokens_for_the_password_of_the_moment(tmp_path: Path) -> None:
    with make_front(get_registry("b"), tmp_path) as front:
        accounts = read_accounts(front.files)
        account = find_account(accounts, Owner.PLATFORM)
        login = "Basic " + base64.b64encode(f"{account.user}:{account.password}".encode()).decode()
        scope = "repository:mirror/d8/se:pull"
        host = {"Host": front.registry.token_host}
        url = f"/token?{urlencode({'service': 'localhost', 'scope': scope, 'account': account.user})}"
        token = json.loads(front.ask(url, login, headers=host).body)["token"]
        form = {"grant_type": "password", "username": account.user, "password": account.password}
        body = urlencode({**form, "service": "localhost", "scope": scope})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        posted = front.ask("/token", method="POST", headers={**host, **kind}, body=body)
        assert json.loads(posted.body)["access_token"]
        assert front.ask(PATH, f"Bearer {token}").status == 200

        write_accounts(front.files, change_password(accounts, Owner.PLATFORM, keep_old=False))
        refused = front.ask(url, login, headers=host)
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")

        entries = front.read_journal(4)
        assert [(one.kind, one.status, one.refused) for one in entries] == [
            (Kind.TOKEN, 200, False),
            (Kind.TOKEN, 200, False),
            (Kind.BLOB, 200, False),
            (Kind.TOKEN, 401, True),
        ]
        assert len({one.credential for one in entries}) == 1, "the token carries the hash of its login"
        assert account.password not in front.files.journal.read_text()


def test_a_fault_is_in_effect_when_it_is_set(front: FrontOnLoopback) -> None:
    begin = time.monotonic()
    for _ in range(10):
        front.set_faults("401")
        assert front.ask(PATH, LOGIN).status == 401
        front.set_faults()
        assert front.ask(PATH, LOGIN).status == 200
    assert time.monotonic() - begin < 5
