# SPDX-License-Identifier: Apache-2.0
"""A folder that this module wrote reads back to the very sources that it was made of."""

import pytest
from d8registry.containerd.hosts import build_hosts_folder
from d8registry.containerd.reading import read_hosts_folder
from d8registry.errors import InvalidObject
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, FIXED_PATH, Credentials, Endpoint, Scheme, Source
from d8registry.model.hosts import FileEntry, HostsFolder
from d8registry.model.secret import Secret
from hypothesis import given
from hypothesis import strategies as st

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
LOGINS = st.just(Credentials()) | st.builds(Credentials, username=TEXT, password=TEXT.map(Secret))
HOSTS = st.sampled_from(["a.test", "b.test:5000", "c.test"])


@st.composite
def endpoints(draw: st.DrawFn) -> Endpoint:
    scheme = draw(st.sampled_from(Scheme))
    return Endpoint(
        host=draw(HOSTS),
        path=draw(st.sampled_from(["/deckhouse/ee", "/mirror/d8/se", FIXED_PATH])),
        scheme=scheme,
        ca=draw(st.sampled_from(["", CA])) if scheme is Scheme.HTTPS else "",
        credentials=draw(LOGINS),
    )


@given(st.lists(endpoints(), min_size=1, max_size=2))
def test_what_was_written_is_read_back_in_its_order(found: list[Endpoint]) -> None:
    try:
        folder = build_hosts_folder([Source(base=FIXED_BASE, endpoint=one) for one in found], folder=FIXED_HOST)
    except InvalidObject:
        return  # the same host twice with a port of its own: containerd has no second key for it
    assert read_hosts_folder(folder, base_path=FIXED_PATH) == tuple(found)


@pytest.mark.parametrize("text", ["", "server = 5", "[host", 'server = "ftp://h"', 'server = "https://h"\nca = ["x"]'])
def test_what_is_not_ours_is_refused_without_its_text(text: str) -> None:
    folder = HostsFolder(name="h", files=(FileEntry(name="hosts.toml", mode="0600", content=text),))
    with pytest.raises(InvalidObject, match="hosts folder h cannot be read back") as caught:
        read_hosts_folder(folder, base_path="/x")
    assert "ftp" not in str(caught.value)
