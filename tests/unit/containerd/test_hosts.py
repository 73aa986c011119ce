# SPDX-License-Identifier: Apache-2.0
"""hosts.toml for one and for several sources.

Factors: number of sources x credentials x CA x scheme x rewrite x the same host twice, with any text in the fields.
"""

import tomllib
from typing import Any

import pytest
from d8registry.containerd import build_hosts_folder, render_hosts_toml
from d8registry.errors import InvalidObject
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials, Endpoint, Scheme, Source
from d8registry.model.hosts import HostsFolder
from d8registry.model.secret import Secret
from hypothesis import given
from hypothesis import strategies as st

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)


def source(host: str = "a.test", *, ca: str = "", user: str = "", password: str = "", **more: Any) -> Source:
    credentials = Credentials(username=user, password=Secret(password))
    path = more.pop("path", "/deckhouse/ee")
    return Source(
        base=more.pop("base", FIXED_BASE),
        endpoint=Endpoint(host=host, path=path, ca=ca, credentials=credentials, **more),
    )


SOURCES = st.builds(
    lambda host, ca, user, password, path, scheme: source(
        host, ca=ca, user=user, password=password, path=path, scheme=scheme
    ),
    host=TEXT.filter(bool),
    ca=TEXT,
    user=TEXT,
    password=TEXT,
    path=TEXT.map(lambda text: f"/{text}"),
    scheme=st.sampled_from(Scheme),
)


def get_url(item: Source) -> str:
    return f"{item.endpoint.scheme.value}://{item.endpoint.host}"


def expected_table(wanted: Source) -> dict[str, Any]:
    table: dict[str, Any] = {"capabilities": ["pull", "resolve"]}
    if wanted.endpoint.credentials:
        credentials = wanted.endpoint.credentials
        table["auth"] = {"username": credentials.username, "password": credentials.password.value}
    if wanted.rewrite is not None:
        table["rewrite"] = [{"regex": wanted.rewrite[0], "replace": wanted.rewrite[1]}]
    return table


def drop_ca(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in {"ca", "dial_timeout"}}


def read_ca(folder: HostsFolder, table: dict[str, Any]) -> str:
    (name,) = table["ca"]
    return next(entry.content for entry in folder.files if entry.name == name)


@given(wanted=SOURCES)
def test_one_source_stands_at_the_top_level_whatever_its_fields_hold(wanted: Source) -> None:
    parsed = tomllib.loads(render_hosts_toml([wanted]))
    assert drop_ca(parsed) == {"server": get_url(wanted), **expected_table(wanted)}


@given(
    sources=st.lists(SOURCES, min_size=2, max_size=4, unique_by=lambda item: (item.endpoint.scheme, item.endpoint.host))
)
def test_several_sources_keep_their_order_and_the_last_is_the_server(sources: list[Source]) -> None:
    parsed = tomllib.loads(render_hosts_toml(sources, "300ms"))
    hosts = parsed.pop("host")
    assert list(hosts) == [get_url(item) for item in sources[:-1]]
    for item, table in zip(sources[:-1], hosts.values(), strict=True):
        assert drop_ca(table) == expected_table(item)
        assert table["dial_timeout"] == "300ms"
    assert "dial_timeout" not in parsed
    assert drop_ca(parsed)["capabilities"] == ["pull", "resolve"]


def test_the_text_for_two_sources_reads_as_the_platform_documents_it() -> None:
    text = render_hosts_toml([source("new.test:5000", ca=CA, user="u", password='p"'), source("old.test")])
    assert (
        text
        == """server = "https://old.test"
capabilities = [
    "pull",
    "resolve",
]

[[rewrite]]
regex = "^system/deckhouse"
replace = "deckhouse/ee"

[host."https://new.test:5000"]
dial_timeout = "300ms"
capabilities = [
    "pull",
    "resolve",
]
ca = [
    "ca-8010bfcee184.crt",
]

[host."https://new.test:5000".auth]
username = "u"
password = "p\\""

[[host."https://new.test:5000".rewrite]]
regex = "^system/deckhouse"
replace = "deckhouse/ee"
"""
    )


def test_a_ca_lies_in_a_file_named_by_its_content_once() -> None:
    folder = build_hosts_folder([source("a.test", ca=CA), source("b.test", ca=CA + "\n")], folder=FIXED_HOST)
    assert [(entry.name, entry.mode) for entry in folder.files] == [
        ("hosts.toml", "0600"),
        ("ca-8010bfcee184.crt", "0644"),
    ]
    parsed = tomllib.loads(folder.files[0].content)
    assert read_ca(folder, parsed) == read_ca(folder, parsed["host"]["https://a.test"]) == CA + "\n"


def test_plain_http_gets_no_ca() -> None:
    folder = build_hosts_folder([source("a.test", ca=CA, scheme=Scheme.HTTP)], folder=FIXED_HOST)
    assert len(folder.files) == 1
    assert "ca" not in tomllib.loads(folder.files[0].content)


def test_the_same_host_twice_is_a_host_table_beside_the_server() -> None:
    parsed = tomllib.loads(render_hosts_toml([source(user="new"), source(user="old")]))
    assert parsed["server"] == "https://a.test"
    assert parsed["auth"]["username"] == "old"
    assert parsed["host"]["https://a.test"]["auth"]["username"] == "new"


def test_the_same_host_thrice_is_told_apart_by_its_default_port() -> None:
    parsed = tomllib.loads(render_hosts_toml([source(user="1"), source(user="2"), source(user="3")]))
    assert list(parsed["host"]) == ["https://a.test", "https://a.test:443"]


@pytest.mark.parametrize(
    ("sources", "folder", "rule"),
    [
        ([], FIXED_HOST, "at least one source"),
        ([source("a.test")], "b.test", "that host only"),
        ([source("a.test:5000")] * 3, FIXED_HOST, "too often"),
    ],
    ids=["none", "a real host leads elsewhere", "no key left"],
)
def test_what_containerd_could_not_tell_apart_or_must_not_do_is_refused(
    sources: list[Source], folder: str, rule: str
) -> None:
    with pytest.raises(InvalidObject, match=rule):
        build_hosts_folder(sources, folder=folder)


def test_a_real_host_stands_in_its_own_folder_without_rewrite() -> None:
    real = source("a.test", ca=CA)
    folder = build_hosts_folder([Source(base=real.endpoint.base, endpoint=real.endpoint)], folder="a.test")
    assert set(tomllib.loads(folder.files[0].content)) == {"server", "capabilities", "ca"}


def test_a_password_is_not_shown_by_repr() -> None:
    assert "hunter2" not in repr(build_hosts_folder([source(user="u", password="hunter2")], folder=FIXED_HOST))
