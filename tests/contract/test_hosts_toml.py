# SPDX-License-Identifier: Apache-2.0
"""What containerd makes of the hosts.toml that the module writes: its own parsers, of 1.7 and 2.x, read it back.

Factors: number of sources x user names and passwords of any characters x authorities with odd PEM x scheme x port x
the same host twice x path of the repository x generation.
"""

import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from d8registry.adapters.certificates import issue_authority
from d8registry.containerd import build_hosts_folder
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials, Endpoint, Scheme, Source
from d8registry.model.secret import Secret
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.containerd import Generation
from tests.support.hosts_reader import HostsReader

AUTHORITIES = [issue_authority(datetime.now(UTC), name).pem for name in ("one", "two")]
# Go's Basic credentials end at the first colon, and JSON carries no lone surrogate; everything else must come through.
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
USERS = TEXT.filter(lambda text: ":" not in text)
QUOTES = ['"', "'''", '"""', "\\", "\\u0000", "#", "=", "$1"]
CONTROLS = ["\n[auth]\n", "\r\n", "\x00", "\x7f", "\x85", "\u2028", "é🔑"]
HOSTILE = st.sampled_from(QUOTES + CONTROLS)
PASSWORDS = st.one_of(TEXT, HOSTILE, st.builds(lambda a, b, c: a + b + c, TEXT, HOSTILE, TEXT))
SEGMENT = st.from_regex(r"[0-9a-zA-Z.\-_]{1,12}", fullmatch=True).filter(lambda text: set(text) != {"."})
PATHS = st.lists(SEGMENT, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
HOSTS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}\.(test|example\.com)(:[1-9][0-9]{1,3})?", fullmatch=True)


def dress_pem(pem: str, style: str) -> str:
    """Write one certificate as people paste it."""
    windows, blank, comment = pem.replace("\n", "\r\n"), f"\n\n{pem}\n\n", f"# CA of ours\n{pem}"
    return {"plain": pem, "crlf": windows, "blank": blank, "comment": comment, "twice": pem + pem}[style]


AUTHORITY_TEXTS = st.builds(
    dress_pem, st.sampled_from(AUTHORITIES), st.sampled_from(["plain", "crlf", "blank", "comment", "twice"])
)
ENDPOINTS = st.builds(
    lambda host, path, scheme, ca, login: Endpoint(
        host=host,
        path=path,
        scheme=scheme,
        ca=ca if scheme is Scheme.HTTPS else "",
        credentials=Credentials(username=login[0], password=Secret(login[1])) if login else Credentials(),
    ),
    host=HOSTS,
    path=PATHS,
    scheme=st.sampled_from(Scheme),
    ca=st.one_of(st.just(""), AUTHORITY_TEXTS),
    login=st.one_of(st.none(), st.tuples(USERS, PASSWORDS)),
)
SOURCES = st.lists(
    ENDPOINTS.map(lambda endpoint: Source(base=FIXED_BASE, endpoint=endpoint)),
    min_size=1,
    max_size=3,
    unique_by=lambda source: (source.endpoint.scheme, source.endpoint.host),
)
settings_ = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module", params=list(Generation))
def reader(request: pytest.FixtureRequest) -> Iterator[HostsReader]:
    try:
        made = HostsReader(generation=request.param)
    except FileNotFoundError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield made
    made.close()


def read_back(
    reader: HostsReader, root: Path, sources: list[Source], repositories: list[str], host: str = FIXED_HOST
) -> list[dict[str, Any]]:
    """Write the folder as a node has it and let containerd read it."""
    folder = build_hosts_folder(sources, folder=host)
    shutil.rmtree(root / folder.name, ignore_errors=True)
    (root / folder.name).mkdir()
    for entry in folder.files:
        (root / folder.name / entry.name).write_text(entry.content, encoding="utf-8", newline="")
    return reader.read(root, host, repositories, [source.endpoint.ca.strip() for source in sources])


@settings_
@given(sources=SOURCES)
def test_containerd_reads_back_what_was_put_in(reader: HostsReader, tmp_path: Path, sources: list[Source]) -> None:
    found = read_back(reader, tmp_path, sources, ["system/deckhouse"])
    assert [(each["scheme"], each["host"], each["path"]) for each in found] == [
        (source.endpoint.scheme.value, source.endpoint.host, "/v2") for source in sources
    ]
    for each, source in zip(found, sources, strict=True):
        login = source.endpoint.credentials
        assert (each["username"], each["password"]) == (login.username, login.password.value)
        assert each["trustsCA"]
        assert each["repositories"] == [source.endpoint.repository]
        assert each["capabilities"] == 3  # pull and resolve, never push


@settings_
@given(path=PATHS, below=SEGMENT)
def test_a_rewrite_moves_the_repository_and_what_is_below_it(
    reader: HostsReader, tmp_path: Path, path: str, below: str
) -> None:
    endpoint = Endpoint(host="a.test", path=path)
    asked = ["system/deckhouse", f"system/deckhouse/{below}", f"other/{below}"]
    (found,) = read_back(reader, tmp_path, [Source(base=FIXED_BASE, endpoint=endpoint)], asked)
    repository = path.strip("/")
    assert found["repositories"] == [repository, f"{repository}/{below}", f"other/{below}"]


@settings_
@given(host=HOSTS, path=PATHS, logins=st.lists(st.tuples(USERS, PASSWORDS), min_size=2, max_size=2), ca=AUTHORITY_TEXTS)
def test_one_host_twice_keeps_both_credentials_in_order(
    reader: HostsReader, tmp_path: Path, host: str, path: str, logins: list[tuple[str, str]], ca: str
) -> None:
    sources = [
        Source(
            base=FIXED_BASE,
            endpoint=Endpoint(
                host=host, path=path, ca=ca, credentials=Credentials(username=user, password=Secret(password))
            ),
        )
        for user, password in logins
    ]
    found = read_back(reader, tmp_path, sources, [])
    assert [(each["username"], each["password"]) for each in found] == logins
    assert [re.sub(":443$", "", each["host"]) for each in found] == [re.sub(":443$", "", host)] * 2


def test_a_credential_is_not_taken_for_toml(reader: HostsReader, tmp_path: Path) -> None:
    password = 'p"\n[host."https://evil.test"]\n  capabilities = ["pull"]\n#'
    login = Credentials(username="u", password=Secret(password))
    source = Source(base=FIXED_BASE, endpoint=Endpoint(host="a.test", path="/d", credentials=login))
    (found,) = read_back(reader, tmp_path, [source], [])
    assert (found["host"], found["password"]) == ("a.test", password)
